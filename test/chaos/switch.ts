/**
 * A switch of the rack: a namespace that forwards, and BIRD in it that speaks BGP and BFD with the
 * node. Packets keep flowing through it when BIRD ends, as through the hardware of a real one.
 * `bfd graceful`, because an agent that is killed takes BFD with it (its packets say so, RFC 5882 §4.3):
 * otherwise BIRD drops the routes that graceful restart would keep.
 */
import { Bird } from '../network/bird.ts'
import type { Namespace, Network } from '../network/namespaces.ts'
import { waitUntil } from '../network/wait.ts'
import { clusterAsn, farCidrs, type RackOptions } from './rack.ts'

export class Switch {
  readonly number: 1 | 2
  readonly namespace: Namespace
  /** The node's interface to it, and the node's addresses there. */
  readonly interface: string
  readonly nodeAddresses: readonly [string, string]
  /** Its own addresses towards the node. */
  readonly gateways: readonly [string, string]
  /** Its addresses towards the far pod. */
  readonly above: Readonly<Record<'-4' | '-6', string>>
  readonly #options: RackOptions
  #bird: Bird | null = null

  private constructor(number: 1 | 2, namespace: Namespace, options: RackOptions) {
    this.number = number
    this.namespace = namespace
    this.interface = `eth${number}`
    this.nodeAddresses = [`10.99.${number}.2/24`, `fd99:0:0:${number}::2/64`]
    this.gateways = [`10.99.${number}.1`, `fd99:0:0:${number}::1`]
    this.above = { '-4': `10.98.${number}.1`, '-6': `fd98:0:0:${number}::1` }
    this.#options = options
  }

  /** Links and static routes; nothing speaks yet. */
  static async build(
    network: Network,
    node: Namespace,
    far: Namespace,
    number: 1 | 2,
    options: RackOptions,
  ): Promise<Switch> {
    const namespace = await network.namespace(`s${number}`)
    const self = new Switch(number, namespace, options)
    const [gateway4, gateway6] = self.gateways
    await network.link(
      { namespace, interface: 'node0', addresses: [`${gateway4}/24`, `${gateway6}/64`] },
      { namespace: node, interface: self.interface, addresses: self.nodeAddresses },
    )
    await network.link(
      {
        namespace,
        interface: 'far0',
        addresses: [`${self.above['-4']}/24`, `${self.above['-6']}/64`],
      },
      {
        namespace: far,
        interface: `down${number}`,
        addresses: [`10.98.${number}.2/24`, `fd98:0:0:${number}::2/64`],
      },
    )
    const [far4, far6] = farCidrs
    await namespace.ip('route', 'add', far4, 'via', `10.98.${number}.2`)
    await namespace.ip('-6', 'route', 'add', far6, 'via', `fd98:0:0:${number}::2`)
    for (const target of options.targets ?? []) {
      await namespace.ip('route', 'add', `${target}/32`, 'via', `10.98.${number}.2`)
    }
    return self
  }

  get asn(): number {
    return 65_000 + this.number
  }

  async start(): Promise<void> {
    this.#bird = await Bird.start(this.namespace, this.#config(), [
      ...['-P', `${this.namespace.files}.pid`],
    ])
  }

  /** Lets sessions begin that were built as waiting. */
  async begin(): Promise<void> {
    for (const family of this.#families) await this.#ask(`enable node${family}`)
  }

  /** SIGKILL: TCP closes, and its routes stay in its kernel. */
  async kill(): Promise<void> {
    await this.#bird?.daemon.stop('SIGKILL')
  }

  /** The whole switch goes at once: it forwards no more, and its connections are closed. */
  async die(): Promise<void> {
    const pid = this.#bird?.daemon.pid
    const script = `echo 0 > /proc/sys/net/ipv4/ip_forward; kill -9 ${pid}`
    await this.namespace.must('sh', ['-c', script])
    await this.#bird?.daemon.ended
  }

  async revive(): Promise<void> {
    await this.namespace.must('sysctl', ['-qw', 'net.ipv4.ip_forward=1'])
    await this.start()
  }

  /** Both sessions end with a Cease and begin again. */
  async restartSessions(): Promise<void> {
    for (const family of this.#families) await this.#ask(`restart node${family}`)
  }

  /** The cable is pulled at this end: the node's interface loses its carrier. */
  async unplug(): Promise<void> {
    await this.namespace.ip('link', 'set', 'node0', 'down')
  }

  /** Linux drops IPv6 addresses and routes of a link that goes down. */
  async plug(): Promise<void> {
    await this.namespace.ip('link', 'set', 'node0', 'up')
    await this.namespace.address('node0', `${this.gateways[1]}/64`)
  }

  /** Waits for BFD with the node: it can't miss what it hasn't heard yet. */
  async heard(seconds = 60): Promise<void> {
    await waitUntil(
      `BFD of switch ${this.number} to be up`,
      () => this.#ask('show bfd sessions'),
      (text) => (text.match(/ Up /g) ?? []).length === this.#families.length,
      seconds,
    )
  }

  /** Everything from the node and to it vanishes, and no link goes down. */
  async silence(): Promise<void> {
    const chains = ['prerouting', 'postrouting'].map((hook) => {
      const device = hook === 'prerouting' ? 'iifname' : 'oifname'
      return `chain ${hook} { type filter hook ${hook} priority 0; ${device} "node0" drop; }`
    })
    const file = this.namespace.write('nft', `table inet silence {\n${chains.join('\n')}\n}\n`)
    await this.namespace.must('nft', ['-f', file])
  }

  async speak(): Promise<void> {
    await this.namespace.must('nft', ['delete', 'table', 'inet', 'silence'])
  }

  /** Waits until its kernel has the node's pods, by every session. */
  async learned(seconds = 60): Promise<void> {
    for (const family of this.#families) {
      await waitUntil(
        `switch ${this.number} to have the node's IPv${family} pods`,
        () => this.#ask(`show route protocol node${family} count`),
        (text) => /\b1 of/.test(text),
        seconds,
      )
    }
  }

  /** End-of-RIB has come from the node on every session: nothing of it is stale here. */
  async synchronised(seconds = 60): Promise<void> {
    for (const family of this.#families) {
      await waitUntil(
        `switch ${this.number} to have the node's whole IPv${family} table`,
        () => this.#ask(`show protocols all node${family}`),
        (text) => /Established/.test(text) && !/graceful restart active/.test(text),
        seconds,
      )
    }
    await this.learned(seconds)
  }

  get #families(): readonly (4 | 6)[] {
    return this.#options.families ?? [4, 6]
  }

  #ask(command: string): Promise<string> {
    if (!this.#bird) throw new Error(`switch ${this.number} isn't running`)
    return this.#bird.ask(command)
  }

  #config(): string {
    const {
      shared = [],
      alone,
      gracefulRestart = true,
      learn = true,
      bfdMs = 100,
      waiting,
    } = this.#options
    const own = [...farCidrs, ...shared, ...(alone?.[this.number - 1] ?? [])]
    const session = (family: 4 | 6) => `
protocol static own${family} {
  ipv${family};
${own
  .filter((prefix) => prefix.includes(':') === (family === 6))
  .map((prefix) => `  route ${prefix} blackhole;`)
  .join('\n')}
}
protocol kernel kernel${family} {
  persist;
  ipv${family} { import none; export ${learn ? 'where source = RTS_BGP' : 'none'}; };
}
protocol bgp node${family} {
${waiting ? '  disabled;\n' : ''}  local ${this.gateways[family === 4 ? 0 : 1]} as ${this.asn};
  neighbor ${this.nodeAddresses[family === 4 ? 0 : 1].split('/')[0]} as ${clusterAsn};
  connect delay time ${waiting ? 0 : 1}; connect retry time 2; error wait time 1, 4;
  graceful restart ${gracefulRestart ? 'yes' : 'no'};
  bfd ${gracefulRestart ? 'graceful' : 'yes'};
  ipv${family} { import all; export where source = RTS_STATIC; next hop self; };
}`
    return `router id 10.99.${this.number}.1;
protocol device { scan time 1; }
protocol bfd {
  interface "node0" {
    min rx interval ${bfdMs} ms; min tx interval ${bfdMs} ms; multiplier 3;
  };
}
${this.#families.map(session).join('\n')}
`
  }
}
