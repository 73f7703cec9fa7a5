/**
 * What went over a wire, in tshark's words: packets are written to a file while the test runs and
 * dissected afterwards.
 */
import type { Daemon, Namespace } from './namespaces.ts'
import { Hopeless, waitFor } from './wait.ts'

/** What the dissector leaves on bytes it can't make sense of; the last is its severity "error". */
const marks = [
  '_ws.malformed',
  'bgp.marker_invalid',
  'bgp.length.invalid',
  'bgp.prefix_length.invalid',
  '_ws.expert.severity == 8388608',
]

/** All nodes of the link: no test sends there, so a packet to it marks the end of a capture. */
const endMark = 'ff02::1'

export class Capture {
  readonly #namespace: Namespace
  readonly #device: string
  readonly #file: string
  readonly #daemon: Daemon

  private constructor(namespace: Namespace, device: string, file: string, daemon: Daemon) {
    this.#namespace = namespace
    this.#device = device
    this.#file = file
    this.#daemon = daemon
  }

  /** Resolves when packets are being written. */
  static async start(namespace: Namespace, device: string): Promise<Capture> {
    const file = `${namespace.files}.${device}.pcapng`
    const daemon = namespace.start('dumpcap', [
      '-q',
      '-i',
      device,
      '-f',
      `tcp port 179 or dst host ${endMark}`,
      '-w',
      file,
    ])
    await waitFor('dumpcap to listen', () => {
      if (daemon.ending) throw new Hopeless(`dumpcap ended: ${daemon.stderr}`)
      return daemon.stderr.includes('File:')
    })
    return new Capture(namespace, device, file, daemon)
  }

  /** Ends it once everything sent before has been written: packets wait in the kernel for a while. */
  async stop(): Promise<void> {
    await waitFor('dumpcap to write all packets', async () => {
      await this.#namespace.run('ping', ['-c', '1', '-W', '1', `${endMark}%${this.#device}`])
      return (await this.rows(`ipv6.dst == ${endMark}`, ['frame.number'])).length > 0
    })
    await this.#daemon.stop('SIGINT')
  }

  /** One row for each packet that matches, with the fields asked for. After `stop`. */
  async rows(filter: string, fields: readonly string[]): Promise<string[][]> {
    const text = await this.#namespace.must('tshark', [
      ...['-n', '-r', this.#file, '-Y', filter, '-T', 'fields'],
      ...fields.flatMap((field) => ['-e', field]),
    ])
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => line.split('\t'))
  }

  /** Packets of one sender that bear a mark of malformation, as tshark describes them. */
  async malformed(source: string): Promise<string[]> {
    const from = source.includes(':') ? 'ipv6.src' : 'ip.src'
    const filter = `${from} == ${source} && (${marks.join(' || ')})`
    const rows = await this.rows(filter, ['frame.number', '_ws.col.Info', '_ws.expert.message'])
    return rows.map((row) => row.join(' '))
  }
}
