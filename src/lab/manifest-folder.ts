/**
 * Where a lab's manifests lie: in the repository for the options it was made for, so that people
 * read and change them there; written to the lab's own folder for any other options.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildManifests } from './manifests.ts'
import { DEFAULT_NODES, type TopologyOptions } from './options.ts'
import type { Plan } from './topology.ts'

export interface ManifestFolder {
  readonly path: string
  /** Made for this lab, and gone with it. */
  readonly temporary: boolean
}

/** @param scratch a folder that may be written to and exists no longer than the lab */
export function openManifests(plan: Plan, scratch: string): ManifestFolder {
  const kept = isKept(plan.options) ? findKept(plan.options.topology) : null
  if (kept !== null) return { path: kept, temporary: false }
  writeManifests(plan, scratch)
  return { path: scratch, temporary: true }
}

/** Writes all manifests of a plan below `folder`. */
export function writeManifests(plan: Plan, folder: string): void {
  for (const manifest of buildManifests(plan)) {
    mkdirSync(join(folder, manifest.folder), { recursive: true })
    writeFileSync(join(folder, manifest.folder, manifest.file), manifest.text)
  }
}

/** Whether the repository has the manifests for these options. */
function isKept(options: TopologyOptions): boolean {
  return options.nodes === DEFAULT_NODES && !options.dual && !options.sameAs
}

/** `deploy/lab/TOPOLOGY` beside the package, wherever its build was put. */
function findKept(topology: string): string | null {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (folder !== dirname(folder)) {
    const candidate = join(folder, 'deploy', 'lab', topology)
    if (existsSync(candidate)) return candidate
    folder = dirname(folder)
  }
  return null
}
