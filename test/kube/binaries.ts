/**
 * Where kube-apiserver, etcd and kubectl come from: `KUBEBUILDER_ASSETS` (the envtest convention), a
 * cache outside the tree, or a build of the Go tools in test/kube/go.mod into that cache, once.
 * As a program (`node binaries.js`) it makes sure that they are there, and says what is missing.
 */
import { spawn } from 'node:child_process'
import { accessSync, constants, mkdirSync, renameSync } from 'node:fs'
import { homedir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const packages = {
  etcd: 'go.etcd.io/etcd/server/v3',
  'kube-apiserver': 'k8s.io/kubernetes/cmd/kube-apiserver',
  kubectl: 'k8s.io/kubernetes/cmd/kubectl',
} as const

type Tool = keyof typeof packages
const tools = Object.keys(packages) as readonly Tool[]

export interface Binaries {
  readonly etcd: string
  readonly apiServer: string
  readonly kubectl: string
}

/** Where they are, or why they aren't, in words. */
export function findBinaries(): Binaries | string {
  const folder = assetsFolder()
  const missing = tools.filter((tool) => !isProgram(path.join(folder, tool)))
  if (missing.length > 0) {
    return `${missing.join(', ')} not in ${folder}: npm run test:kube builds them with Go`
  }
  return {
    etcd: path.join(folder, 'etcd'),
    apiServer: path.join(folder, 'kube-apiserver'),
    kubectl: path.join(folder, 'kubectl'),
  }
}

function assetsFolder(): string {
  const { KUBEBUILDER_ASSETS, XDG_CACHE_HOME } = process.env
  if (KUBEBUILDER_ASSETS) return KUBEBUILDER_ASSETS
  return path.join(XDG_CACHE_HOME || path.join(homedir(), '.cache'), 'routelet', 'kube')
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** @returns the exit code */
async function build(): Promise<number> {
  const folder = assetsFolder()
  for (const tool of tools) {
    const file = path.join(folder, tool)
    if (isProgram(file)) continue
    if (process.env['KUBEBUILDER_ASSETS']) {
      console.error(`KUBEBUILDER_ASSETS is ${folder}, which has no ${tool}`)
      return 1
    }
    console.log(`building ${tool} into ${folder}: a few minutes, once`)
    mkdirSync(folder, { recursive: true })
    const failure = await go(packages[tool], `${file}.new`)
    if (failure !== null) {
      console.error(`${tool} can't be built: ${failure}`)
      console.error('install Go, or set KUBEBUILDER_ASSETS to a folder with the three programs')
      return 1
    }
    renameSync(`${file}.new`, file)
  }
  return 0
}

/** Builds by the versions of test/kube/go.mod, for machines without a C library of their own. */
function go(name: string, output: string): Promise<string | null> {
  return new Promise((resolve) => {
    const env = { ...process.env, CGO_ENABLED: '0' }
    const args = ['build', '-trimpath', '-ldflags=-s -w', '-o', output, name]
    const child = spawn('go', args, { cwd: path.resolve('test/kube'), env, stdio: 'inherit' })
    child.once('error', (error: NodeJS.ErrnoException) =>
      resolve(error.code === 'ENOENT' ? 'there is no Go on this machine' : error.message),
    )
    child.once('close', (code) => resolve(code === 0 ? null : `go build ended with ${code}`))
  })
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = await build()
