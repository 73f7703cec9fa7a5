/**
 * ExaBGP in a namespace. It has no routing table of its own: what it hears it writes, a JSON object a
 * line, to a process, and that process tells it what to do. Here the process is a shell that keeps
 * the lines in a file and passes on what is written to a pipe.
 */
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import type { Daemon, Namespace } from './namespaces.ts'
import { Hopeless, waitFor } from './wait.ts'

/** Settings that have no place in its configuration file. */
const environment = [
  'exabgp.daemon.user=root',
  'exabgp.daemon.drop=false',
  'exabgp.api.cli=false',
  'exabgp.tcp.bind=0.0.0.0 ::',
  'exabgp.log.destination=stderr',
  'exabgp.reactor.speed=0.2',
]

/** The name its configuration gives the process: neighbours refer to it. */
export const exabgpProcess = 'keeper'

let starts = 0

export class ExaBgp {
  readonly #events: string
  readonly #orders: string
  readonly daemon: Daemon

  private constructor(events: string, orders: string, daemon: Daemon) {
    this.#events = events
    this.#orders = orders
    this.daemon = daemon
  }

  /** Resolves when its process listens. `config` holds the neighbours. */
  static async start(namespace: Namespace, config: string): Promise<ExaBgp> {
    // Another pipe each time: the shell of a killed one may still read from its own.
    const start = ++starts
    const [events, orders] = [
      `${namespace.files}.events-${start}`,
      `${namespace.files}.orders-${start}`,
    ]
    const script = namespace.write('keeper.sh', keeperScript(events, orders))
    await namespace.must('chmod', ['755', script])
    const process = `process ${exabgpProcess} {\n  run ${script};\n  encoder json;\n}\n`
    const file = namespace.write('exabgp.conf', `${process}${config}`)
    const daemon = namespace.start('env', [...environment, 'exabgp', file])
    await waitFor('ExaBGP to start its process', () => {
      if (daemon.ending) throw new Hopeless(`ExaBGP ended: ${daemon.stdout}${daemon.stderr}`)
      return existsSync(events)
    })
    return new ExaBgp(events, orders, daemon)
  }

  /** Everything it said so far, oldest first. */
  events<T>(): T[] {
    return (
      readFileSync(this.#events, 'utf8')
        .split('\n')
        .filter((line) => line.startsWith('{') && line.trimEnd().endsWith('}'))
        // It doesn't escape what it quotes.
        .map((line) => JSON.parse(line.replaceAll(/\p{Cc}/gu, ' ')))
    )
  }

  /** One command of its text API, e.g. `neighbor 192.0.2.1 teardown 2`. */
  order(command: string): void {
    appendFileSync(this.#orders, `${command}\n`)
  }
}

/** A pipe opened for reading and writing never ends. */
function keeperScript(events: string, orders: string): string {
  return `#!/bin/sh
exec 2>/dev/null
mkfifo ${orders}
cat <>${orders} &
exec cat >${events}
`
}
