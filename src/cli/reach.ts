/**
 * How a command comes to an agent: the options that say where it is, by which token, and whose
 * certificates are believed. A token never leaves this host unencrypted.
 */
import { type Command, Option } from 'commander'
import { type AgentClient, createClient } from './client.ts'
import { type Endpoint, formatEndpoint, listenerOf } from './endpoint.ts'
import { apiOption, misuse, readTokenFile } from './options.ts'
import type { Terminal } from './terminal.ts'
import { readAuthorities } from './tls.ts'

/** What `reaching` adds to a command. */
export interface ReachOptions {
  readonly api: Endpoint
  readonly apiTokenFile?: string
  readonly apiCacert?: string
  readonly apiInsecure?: boolean
}

export function reaching(command: Command): Command {
  return command
    .addOption(
      apiOption('where the agent is: HOST:PORT, https://HOST:PORT or unix:PATH').env(
        'ROUTELET_API',
      ),
    )
    .addOption(
      new Option('--api-token-file <file>', "file with the agent's bearer token").env(
        'ROUTELET_API_TOKEN_FILE',
      ),
    )
    .addOption(
      new Option(
        '--api-cacert <file>',
        "believe only the agent's certificate that these sign, PEM",
      ).env('ROUTELET_API_CACERT'),
    )
    .addOption(
      new Option('--api-insecure', "don't check its certificate at all").conflicts('apiCacert'),
    )
}

/**
 * @throws CommandError (exit 2) when a file is of no use, or the token would be read on the way
 */
export function clientOf(
  { api, apiTokenFile, apiCacert, apiInsecure: insecure = false }: ReachOptions,
  terminal: Terminal,
): AgentClient {
  const token = apiTokenFile === undefined ? null : readTokenFile(apiTokenFile)
  if (token !== null && isOpen(api)) {
    throw misuse(
      `the token would go to ${formatEndpoint(api)} for everybody on the way to read`,
      'write https://, or ask over loopback or a tunnel that ends there',
    )
  }
  if (insecure)
    terminal.warn(`routelet: the certificate of ${formatEndpoint(api)} is not checked\n`)
  const ca = apiCacert === undefined ? null : readAuthorities(apiCacert)
  return createClient(api, { token, trust: { ca, insecure } })
}

/** Whether what is said can be read between here and there. */
function isOpen(endpoint: Endpoint): boolean {
  return endpoint.kind === 'tcp' && endpoint.scheme === 'http' && listenerOf(endpoint) === 'network'
}
