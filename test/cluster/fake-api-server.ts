/**
 * An API server as small as the cluster store can't tell from a real one: lists in pages, watches
 * with bookmarks, selectors, a history that can be compacted, refusals on order. The real one is in
 * test/kube.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'

export interface FakeObject {
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    readonly labels?: Readonly<Record<string, string>>
    resourceVersion?: string
  }
}

interface Watcher {
  readonly path: string
  readonly url: URL
  readonly response: ServerResponse
}

interface Refusal {
  readonly status: number
  readonly retryAfter: number | null
}

export class FakeApiServer {
  /** `GET /api/v1/nodes?…`, oldest first. */
  readonly requests: string[] = []
  /** Bodies of what was created or patched, by path. */
  readonly written = new Map<string, unknown>()
  readonly kubeconfig: string
  /** Objects on one page, whatever is asked for. */
  pageMax = 2
  readonly #objects = new Map<string, Map<string, FakeObject>>()
  readonly #history: { path: string; type: string; object: FakeObject; version: number }[] = []
  readonly #watchers = new Set<Watcher>()
  readonly #refusals = new Map<string, Refusal>()
  readonly #served: readonly string[]
  readonly #port: number
  #server: Server
  #version = 100
  #oldest = 0

  private constructor(folder: string, served: readonly string[], server: Server) {
    this.#server = server
    this.#served = served
    this.#port = (server.address() as AddressInfo).port
    this.kubeconfig = join(folder, 'kubeconfig')
    writeFileSync(this.kubeconfig, kubeconfigFor(`http://127.0.0.1:${this.#port}`))
    server.on('request', (request, response) => this.#answer(request, response))
  }

  /** @param served `routelet.io/v1/bgppeers`: kinds of optional groups */
  static async start(t: Test, served: readonly string[]): Promise<FakeApiServer> {
    const folder = mkdtempSync(join(tmpdir(), 'routelet-cluster-'))
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const fake = new FakeApiServer(folder, served, server)
    t.teardown(async () => {
      await fake.stop()
      rmSync(folder, { recursive: true, force: true })
    })
    return fake
  }

  /** As if it were killed: connections break, nothing listens. */
  async stop(): Promise<void> {
    this.#watchers.clear()
    const gone = new Promise((resolve) => this.#server.close(resolve))
    this.#server.closeAllConnections()
    await gone
  }

  async restart(): Promise<void> {
    this.#server = createServer((request, response) => this.#answer(request, response))
    await new Promise<void>((resolve) => this.#server.listen(this.#port, '127.0.0.1', resolve))
  }

  put(path: string, object: FakeObject): void {
    const all = this.#objects.get(path) ?? new Map<string, FakeObject>()
    this.#objects.set(path, all)
    const { name } = object.metadata
    const type = all.has(name) ? 'MODIFIED' : 'ADDED'
    const copy = structuredClone(object)
    copy.metadata.resourceVersion = String(++this.#version)
    all.set(name, copy)
    this.#tell(path, type, copy)
  }

  remove(path: string, name: string): void {
    const object = this.#objects.get(path)?.get(name)
    if (object === undefined) throw new Error(`there is no ${name} at ${path}`)
    this.#objects.get(path)?.delete(name)
    this.#version++
    this.#tell(path, 'DELETED', object)
  }

  /** Objects vanish without a word, as when a store lost its data. */
  lose(path: string): void {
    this.#objects.delete(path)
    this.#version++
  }

  /** Forgets all history: whoever watches from before is told 410. */
  compact(): void {
    this.#version++
    this.#oldest = this.#version
    this.dropWatches()
  }

  dropWatches(): void {
    for (const { response } of this.#watchers) response.end()
    this.#watchers.clear()
  }

  /** Requests whose path begins so are refused until `allow`. */
  refuse(path: string, status: number, retryAfter: number | null = null): void {
    this.#refusals.set(path, { status, retryAfter })
    for (const watcher of this.#watchers) if (watcher.path.startsWith(path)) watcher.response.end()
  }

  allow(path: string): void {
    this.#refusals.delete(path)
  }

  count(pattern: RegExp): number {
    return this.requests.filter((request) => pattern.test(request)).length
  }

  #tell(path: string, type: string, object: FakeObject): void {
    this.#history.push({ path, type, object, version: this.#version })
    for (const watcher of this.#watchers) {
      if (watcher.path === path && selects(watcher.url, object)) {
        watcher.response.write(`${JSON.stringify({ type, object })}\n`)
      }
    }
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '/', 'http://fake')
    this.requests.push(`${request.method} ${url.pathname}${url.search}`)
    const refusal = [...this.#refusals].find(([path]) => url.pathname.startsWith(path))?.[1]
    if (refusal !== undefined) {
      const retry = refusal.retryAfter === null ? {} : { 'retry-after': `${refusal.retryAfter}` }
      send(response, refusal.status, status(refusal.status, 'as ordered'), retry)
    } else if (request.method !== 'GET') {
      this.#write(url.pathname, request, response)
    } else if (/^\/apis\/[^/]+\/v\d+$/.test(url.pathname)) {
      this.#discover(url.pathname.slice('/apis/'.length), response)
    } else if (url.searchParams.get('watch') === '1') {
      this.#watch(url, response)
    } else {
      this.#list(url, response)
    }
  }

  #write(path: string, request: IncomingMessage, response: ServerResponse): void {
    let text = ''
    request.on('data', (chunk) => {
      text += chunk
    })
    request.on('end', () => {
      this.written.set(path, JSON.parse(text))
      send(response, 200, {})
    })
  }

  #discover(group: string, response: ServerResponse): void {
    const names = this.#served.filter((one) => one.startsWith(`${group}/`))
    const resources = names.map((name) => ({ name: name.slice(group.length + 1) }))
    if (names.length === 0) send(response, 404, status(404, 'no such group'))
    else send(response, 200, { kind: 'APIResourceList', resources })
  }

  #list(url: URL, response: ServerResponse): void {
    const all = [...(this.#objects.get(url.pathname)?.values() ?? [])]
    const selected = all.filter((object) => selects(url, object))
    const from = Number(url.searchParams.get('continue') ?? 0)
    const to = from + this.pageMax
    const next = to < selected.length ? { continue: String(to) } : {}
    const metadata = { resourceVersion: String(this.#version), ...next }
    send(response, 200, { kind: 'List', metadata, items: selected.slice(from, to) })
  }

  #watch(url: URL, response: ServerResponse): void {
    const from = Number(url.searchParams.get('resourceVersion') ?? 0)
    response.writeHead(200, { 'content-type': 'application/json' })
    if (from < this.#oldest) {
      response.end(`${JSON.stringify({ type: 'ERROR', object: status(410, 'too old') })}\n`)
      return
    }
    const missed = this.#history.filter(
      ({ path, version, object }) =>
        path === url.pathname && version > from && selects(url, object),
    )
    const bookmark = { metadata: { resourceVersion: String(this.#version) } }
    const lines = [...missed, { type: 'BOOKMARK', object: bookmark }]
    for (const { type, object } of lines) response.write(`${JSON.stringify({ type, object })}\n`)
    const watcher = { path: url.pathname, url, response }
    this.#watchers.add(watcher)
    response.on('close', () => this.#watchers.delete(watcher))
  }
}

/** `metadata.name=x` and `a=b,c=d` only. */
function selects(url: URL, { metadata }: FakeObject): boolean {
  const name = /^metadata\.name=(.*)$/.exec(url.searchParams.get('fieldSelector') ?? '')?.[1]
  if (name !== undefined && name !== metadata.name) return false
  const labels = (url.searchParams.get('labelSelector') ?? '').split(',').filter(Boolean)
  return labels.every((pair) => {
    const [label = '', value] = pair.split('=')
    return metadata.labels?.[label] === value
  })
}

function send(response: ServerResponse, code: number, body: unknown, headers = {}): void {
  response.writeHead(code, { 'content-type': 'application/json', ...headers })
  response.end(JSON.stringify(body))
}

function status(code: number, message: string): object {
  return { kind: 'Status', status: 'Failure', code, message, metadata: {} }
}

/** Without TLS the client insists that nobody expects any. */
function kubeconfigFor(server: string): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'fake', cluster: { server, 'insecure-skip-tls-verify': true } }],
    users: [{ name: 'agent', user: { token: 'fake' } }],
    contexts: [
      { name: 'fake', context: { cluster: 'fake', user: 'agent', namespace: 'routelet-system' } },
    ],
    'current-context': 'fake',
  })
}
