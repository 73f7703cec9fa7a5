/**
 * The agent's HTTP servers: the API, and beside it the port of `--metrics`. Building them opens
 * nothing, but options that would leave them open to everybody are refused.
 */
import { mkdir, unlink } from 'node:fs/promises'
import { connect } from 'node:net'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { FastifyInstance } from 'fastify'
import { buildApi, buildProbes, renewCertificate } from '../api/index.ts'
import type { AgentViews } from '../api/views.ts'
import { type AccessFiles, followCertificate, openGate, readCertificate } from './api-access.ts'
import { type Endpoint, formatEndpoint, listenerOf } from './cli/endpoint.ts'
import { CommandError, EXIT_USAGE } from './cli/terminal.ts'
import type { Log } from './log.ts'
import { version } from './version.ts'

export interface ServerOptions extends AccessFiles {
  readonly api: Endpoint
  /** Certificate and key; null: plain HTTP. */
  readonly apiTls: { readonly cert: string; readonly key: string } | null
  /** Where `/metrics`, `/healthz` and `/readyz` stand alone; null: nowhere. */
  readonly metrics: Endpoint | null
}

export interface ApiServers {
  /** @throws CommandError in words */
  listen(): Promise<void>
  close(): Promise<void>
}

/** @throws Error, CommandError (exit 2) when the options don't fit */
export async function createServers(
  views: AgentViews,
  options: ServerOptions,
  log: Log,
): Promise<ApiServers> {
  const onFailure = (error: Error, request: { method: string; url: string }) =>
    log.error(`${request.method} ${request.url} failed`, error)
  const report = (text: string) => log.warn(text)
  const { apiTls } = options
  const tls = apiTls === null ? null : readCertificate(apiTls.cert, apiTls.key)
  const api = buildApi(views, {
    listener: listenerOf(options.api),
    gatekeeper: await openGate(options, report),
    tls,
    web: fileURLToPath(new URL('../api/web', import.meta.url)),
    version,
    onFailure,
  })
  const probes = options.metrics === null ? null : buildProbes(views, { onFailure })
  const renew = (now: NonNullable<typeof tls>) => renewCertificate(api, now)
  let unfollow = () => {}
  return {
    listen: async () => {
      await listen(api, options.api, '--api')
      if (probes !== null) await listen(probes, options.metrics as Endpoint, '--metrics')
      if (apiTls !== null && tls !== null) unfollow = followCertificate(apiTls, tls, renew, report)
    },
    close: async () => {
      unfollow()
      await Promise.all([api.close(), probes?.close()])
    },
  }
}

async function listen(app: FastifyInstance, endpoint: Endpoint, option: string): Promise<void> {
  try {
    if (endpoint.kind === 'tcp') await app.listen({ host: endpoint.host, port: endpoint.port })
    else await listenUnix(app, endpoint.path)
  } catch (error) {
    throw inWords(error, endpoint, option)
  }
}

async function listenUnix(app: FastifyInstance, path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await removeStaleSocket(path)
  // Whoever may open the socket may give orders, so it is born closed to others.
  const mask = process.umask(0o177)
  try {
    await app.listen({ path })
  } finally {
    process.umask(mask)
  }
}

/** A socket nobody listens on is left from a crash; one that answers belongs to a running agent. */
async function removeStaleSocket(path: string): Promise<void> {
  const state = await new Promise<string>((resolve) => {
    const probe = connect({ path })
    probe.once('connect', () => {
      probe.destroy()
      resolve('alive')
    })
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'unknown'))
  })
  if (state === 'alive') {
    const remedy = 'stop that one, or give this one another --api'
    throw new CommandError(`another agent already answers at unix:${path}`, remedy, EXIT_USAGE)
  }
  if (state === 'ECONNREFUSED') await unlink(path)
}

function inWords(error: unknown, endpoint: Endpoint, option: string): Error {
  if (error instanceof CommandError) return error
  const { code = '', message } = error as NodeJS.ErrnoException
  const remedies: Readonly<Record<string, string>> = {
    EADDRINUSE: `another program holds it: stop that one, or choose another ${option}`,
    EACCES: 'choose a port above 1023, or run as root',
    EADDRNOTAVAIL: 'that address is not on this host',
  }
  const what = option === '--api' ? 'the API' : option
  const problem = `${what} can't listen at ${formatEndpoint(endpoint)}: ${message}`
  return new CommandError(problem, remedies[code] ?? null, EXIT_USAGE, error)
}
