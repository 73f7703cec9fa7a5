/**
 * What `routelet decode` is given: a line of hexadecimal digits, or of JSON with a context of its
 * own. The fields of a context are those of DecodeContext, and the options of the command.
 */
import type { DecodeContext } from '../../bgp/index.ts'
import { formatPath, isRecord, readValue, type Schema } from '../config/validate.ts'

export interface MessageInput {
  readonly bytes: Uint8Array
  readonly context: DecodeContext
}

/** A line that can't be used; the message says why and what would do. */
export class InputError extends Error {
  override readonly name = 'InputError'
}

const families: Schema = {
  type: 'array',
  items: { enum: ['ipv4-unicast', 'ipv6-unicast'] },
  maxItems: 2,
}
const asn: Schema = { type: 'integer', minimum: 1, maximum: 4_294_967_295 }
const octet = '(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)'

const contextSchema: Schema = {
  type: 'object',
  properties: {
    as4: { type: 'boolean' },
    peerType: { enum: ['ebgp', 'ibgp'] },
    addPath: families,
    extendedMessage: { type: 'boolean' },
    extendedNextHop: { type: 'boolean' },
    families,
    localAs: asn,
    peerAs: asn,
    localId: { type: 'string', pattern: `^${octet}(\\.${octet}){3}$` },
    state: { enum: ['Idle', 'Connect', 'Active', 'OpenSent', 'OpenConfirm', 'Established'] },
  },
}

const lineSchema: Schema = {
  type: 'object',
  properties: { hex: { type: 'string' }, context: contextSchema },
  required: ['hex'],
}

/**
 * Reads one line; what its context doesn't say is as in `defaults`.
 * @throws InputError
 */
export function readInput(line: string, defaults: DecodeContext): MessageInput {
  const text = line.trim()
  if (!text.startsWith('{')) return { bytes: readHex(text), context: defaults }
  const value = readSchema(lineSchema, parseJson(text)) as {
    readonly hex?: string
    readonly context?: DecodeContext
  }
  return { bytes: readHex(value.hex ?? ''), context: { ...defaults, ...value.context } }
}

/**
 * Reads a context as it stands in JSON or was put together from options.
 * @throws InputError
 */
export function readContext(value: unknown): DecodeContext {
  return readSchema(contextSchema, value) as DecodeContext
}

/** Octets may be set apart by blanks, as packet dumps do. */
function readHex(text: string): Uint8Array {
  const digits = text.replace(/\s+/g, '')
  const wrong = /[^0-9a-f]/i.exec(digits)
  if (wrong !== null) {
    const place = [...digits.slice(0, wrong.index)].length + 1
    throw new InputError(
      `${JSON.stringify(wrong[0])} at digit ${place} is not hexadecimal; ` +
        'a line is a whole message in hexadecimal, or {"hex":…,"context":{…}}',
    )
  }
  if (digits.length % 2 !== 0) {
    throw new InputError(`${digits.length} hexadecimal digits make no whole number of octets`)
  }
  if (digits.length === 0) throw new InputError('there are no hexadecimal digits')
  const octets = Buffer.from(digits, 'hex')
  return new Uint8Array(octets.buffer, octets.byteOffset, octets.length)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new InputError(`it is no JSON: ${(error as Error).message}`)
  }
}

function readSchema(schema: Schema, value: unknown): unknown {
  if (!isRecord(value)) throw new InputError('it is no JSON object')
  const { value: read, faults } = readValue(schema, value, [])
  const [fault] = faults
  if (fault === undefined) return read
  const remedy = fault.remedy === null ? '' : `; ${fault.remedy}`
  const name = formatPath(fault.path)
  if (fault.reason === 'UnknownField') throw new InputError(`there is no field ${name}${remedy}`)
  throw new InputError(`${name}: expected ${fault.expected}, found ${fault.found}${remedy}`)
}
