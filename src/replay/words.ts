/**
 * A replay for people, as a diff of two runs: a line for each input with its time, below it what the
 * session did. `-` stands before what it did in the recording alone, `+` before what it does now.
 */
import type {
  DescribedMessage,
  RecordedInput,
  RecordedOutput,
  ReplayStep,
} from '../../bgp/index.ts'
import { printable } from '../cli/terminal.ts'

/** Prefixes of an UPDATE that are named; the others are counted. */
const prefixesShown = 3

type Step = Omit<ReplayStep, 'input'> & { readonly input: RecordedInput | Gap }
type Gap = Extract<ReplayStep['input'], { readonly event: 'gap' }>
type Deed = ReplayStep['deeds'][number]

const inputs: {
  readonly [E in Step['input']['event']]: (
    input: Extract<Step['input'], { event: E }>,
    message: DescribedMessage | null,
  ) => string
} = {
  start: () => 'order: start',
  stop: ({ fault, text }) =>
    `order: stop, ${fault === null ? 'without a NOTIFICATION' : `as ${fault}`}${quoted(text)}`,
  reset: ({ text }) => `order: reset${quoted(text)}`,
  fail: ({ fault, reason }) => `order: end the session as ${fault}: ${reason}`,
  configure: ({ fault }) => `order: changed settings (${fault})`,
  accept: ({ localAddress, remotePort }) =>
    `the peer connects from port ${remotePort} to ${localAddress}`,
  connected: ({ lane, localAddress }) => `connected (${lane}) from ${localAddress}`,
  received: ({ lane }, message) => `received (${lane}) ${messageInWords(message)}`,
  fragment: ({ lane, hex }) => `received (${lane}) what is no message: ${hex}`,
  handed: ({ lane, bytes, queuedBytes }, message) => {
    const queue = queuedBytes > 0 ? `, ${queuedBytes} octets wait` : ''
    const what = message === null || 'error' in message ? 'UPDATEs' : messageInWords(message)
    return `the tables send (${lane}) ${what}, ${bytes} octets${queue}`
  },
  drained: ({ lane }) => `the queue (${lane}) is empty`,
  closed: ({ lane, error }) => `closed (${lane})${error === null ? '' : `: ${error.message}`}`,
  timer: ({ lane, timer }) => `timer ${timer} (${lane}) runs out`,
  gap: ({ events, bytes, state }) =>
    `${events} events with ${bytes} octets were overwritten here; the session was ${state}`,
}

const deeds: {
  readonly [E in Deed['what']['event']]: (
    what: Extract<Deed['what'], { event: E }>,
    message: DescribedMessage | null,
  ) => string
} = {
  dial: ({ address, port }) => `dials ${address} port ${port}`,
  sent: ({ lane }, message) => `sends (${lane}) ${messageInWords(message)}`,
  ended: ({ lane }) => `gives up the connection (${lane})`,
  state: ({ from, to }) => `${from} to ${to}`,
  told: ({ kind, text }) => `says ${kind}: ${text}`,
  timer: ({ lane, timer }) => `timer ${timer} (${lane}) runs out`,
}

/** Whether the session did something else than then, where that can be told. */
export function differs({ compared, deeds }: ReplayStep): boolean {
  return compared && deeds.some(({ when }) => when !== 'both')
}

/** @param since Unix milliseconds that times are counted from */
export function stepInWords(step: ReplayStep, since: number): string {
  const { input, message, remarks, compared } = step
  const time = ((step.at - since) / 1000).toFixed(3).padStart(10)
  const words = inputs[input.event] as (input: unknown, message: DescribedMessage | null) => string
  const lines = [`  ${time}  ${words(input, message)}`]
  for (const deed of step.deeds) {
    const mark = !compared || deed.when === 'both' ? ' ' : deed.when === 'then' ? '-' : '+'
    if (!compared && deed.when === 'then') continue
    lines.push(`${mark}             ${deedInWords(deed)}`)
  }
  for (const remark of remarks) lines.push(`              (${remark})`)
  return lines.map((line) => `${printable(line)}\n`).join('')
}

function deedInWords({ what, message }: Deed): string {
  const words = deeds[what.event] as (
    what: RecordedOutput | RecordedInput,
    message: DescribedMessage | null,
  ) => string
  return words(what, message)
}

function messageInWords(message: DescribedMessage | null): string {
  if (message === null) return 'octets'
  if ('error' in message) return `a message that is none: ${message.error.reason}`
  switch (message.type) {
    case 'OPEN':
      return (
        `OPEN: AS ${message.asn}, hold time ${message.holdSeconds} s, ` +
        `router id ${message.routerId}; ${message.capabilities.join(', ') || 'no capabilities'}`
      )
    case 'UPDATE':
      return updateInWords(message)
    case 'NOTIFICATION': {
      const { code, subcode, name, text } = message
      return `NOTIFICATION ${code}/${subcode} ${name}${quoted(text)}`
    }
    case 'ROUTE-REFRESH':
      return `ROUTE-REFRESH ${message.family ?? 'of another family'}, subtype ${message.subtype}`
    default:
      return message.type
  }
}

function updateInWords(update: Extract<DescribedMessage, { type: 'UPDATE' }>): string {
  const { announced, withdrawn, faults, endOfRib } = update
  if (endOfRib !== undefined) return `UPDATE: End-of-RIB ${endOfRib}`
  const parts = [
    ...prefixes('announces', announced),
    ...prefixes('withdraws', withdrawn),
    ...faults.map(
      ({ attribute, action, reason }) => `${action} (attribute ${attribute}: ${reason})`,
    ),
  ]
  return `UPDATE: ${parts.join('; ') || 'nothing'}`
}

function prefixes(verb: string, all: readonly { readonly prefix: string }[]): string[] {
  if (all.length === 0) return []
  const named = all.slice(0, prefixesShown).map(({ prefix }) => prefix)
  const others = all.length - named.length
  return [`${verb} ${named.join(', ')}${others > 0 ? ` and ${others} more` : ''}`]
}

function quoted(text: string | null): string {
  return text === null || text === '' ? '' : `: "${text}"`
}
