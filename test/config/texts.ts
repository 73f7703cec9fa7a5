/** Manifests as the tests write them, and what the reader makes of them. */
import { readManifests } from '../../src/config/manifest.ts'
import { formatProblem } from '../../src/config/problem.ts'

export const complaints = (text: string) =>
  readManifests('x.yaml', text).problems.map(formatProblem)
export const resources = (text: string) =>
  readManifests('x.yaml', text).resources.map((r) => r.resource)

export const peer = (spec: string, group = 'routelet.io/v1') =>
  `apiVersion: ${group}\nkind: BGPPeer\nmetadata: {name: p}\nspec: ${spec}\n`
export const configuration = (spec: string, name = 'default') =>
  `apiVersion: routelet.io/v1\nkind: BGPConfiguration\nmetadata: {name: ${name}}\nspec: ${spec}\n`
export const filter = (rule: string) =>
  `apiVersion: routelet.io/v1\nkind: BGPFilter\nmetadata: {name: f}\nspec: {importV4: [${rule}]}\n`
