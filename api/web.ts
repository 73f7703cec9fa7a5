/**
 * The looking glass' files: read once when the server is built, never from a path that a request
 * names. A missing folder doesn't stop the agent; the page then says how to get it.
 */
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { Problem } from './problem.ts'

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
}

interface Asset {
  readonly path: string
  readonly type: string
  readonly etag: string
  readonly body: Buffer
}

export interface Web {
  readonly directory: string
  readonly assets: readonly Asset[]
  /** Where they are served; `/` is there even without a page. */
  readonly paths: ReadonlySet<string>
}

export function readWeb(directory: string): Web {
  const assets = readAssets(directory)
  return { directory, assets, paths: new Set(['/', ...assets.map(({ path }) => path)]) }
}

/** Registers `/` and one route a file. */
export function serveWeb(app: FastifyInstance, { assets, directory }: Web): void {
  for (const asset of assets) {
    app.get(asset.path, { schema: { hide: true } }, async (request, reply) => {
      reply.header('cache-control', 'no-cache').header('etag', asset.etag)
      if (request.headers['if-none-match'] === asset.etag) return reply.code(304).send()
      return reply.type(asset.type).send(asset.body)
    })
  }
  if (!assets.some(({ path }) => path === '/')) {
    app.get('/', { schema: { hide: true } }, async () => {
      throw new Problem(
        'noPage',
        `there is no index.html in ${directory}`,
        'run "npm run build", which puts it there; the API under /v1 works without it',
      )
    })
  }
}

function readAssets(directory: string): Asset[] {
  if (!existsSync(directory)) return []
  return readdirSync(directory)
    .filter((name) => extname(name) in TYPES)
    .map((name) => {
      const body = readFileSync(join(directory, name))
      return {
        path: name === 'index.html' ? '/' : `/${name}`,
        type: TYPES[extname(name)]!,
        etag: `"${createHash('sha256').update(body).digest('base64url')}"`,
        body,
      }
    })
}
