/**
 * NOTIFICATIONs there and back: every fault has its code and subcode, texts of shutdowns are cut,
 * kept from harm or refused (RFC 9003), and a hard reset shows what is inside it (RFC 8538).
 */
import t from 'tap'
import {
  codeOf,
  decodeNotification,
  encodeNotification,
  encodeShutdownText,
  faults,
  NotificationError,
  nameOf,
} from '../../../bgp/wire/notification.ts'
import { hex, hexText } from './vectors.ts'

const decode = (message: Uint8Array) => decodeNotification(message, 0, message.length)

t.test('every fault goes over the wire and comes back as itself', async (t) => {
  const seen = new Set<string>()
  for (const fault of faults) {
    const { code, subcode } = codeOf(fault)
    const back = decode(encodeNotification(code, subcode, hex('beef')))
    t.same([back.code, back.subcode, hexText(back.data)], [code, subcode, 'beef'], fault)
    t.notMatch(nameOf(code, subcode), /code \d/, `${fault} has words`)
    seen.add(`${code}/${subcode}`)
  }
  t.equal(seen.size, faults.length, 'no two faults share a code')
})

t.test('codes are those of the RFCs', async (t) => {
  const table: readonly [fault: (typeof faults)[number], code: number, subcode: number][] = [
    ['header/unsynchronized', 1, 1],
    ['header/badLength', 1, 2],
    ['header/badType', 1, 3],
    ['open/unsupportedVersion', 2, 1],
    ['open/badPeerAs', 2, 2],
    ['open/badBgpIdentifier', 2, 3],
    ['open/unsupportedOptionalParameter', 2, 4],
    ['open/unacceptableHoldTime', 2, 6],
    ['open/unsupportedCapability', 2, 7],
    ['open/roleMismatch', 2, 11],
    ['update/malformedAttributes', 3, 1],
    ['update/optionalAttribute', 3, 9],
    ['update/invalidNetwork', 3, 10],
    ['update/malformedAsPath', 3, 11],
    ['holdTimerExpired', 4, 0],
    ['fsm/unexpectedInOpenSent', 5, 1],
    ['fsm/unexpectedInOpenConfirm', 5, 2],
    ['fsm/unexpectedInEstablished', 5, 3],
    ['cease/maxPrefixes', 6, 1],
    ['cease/administrativeShutdown', 6, 2],
    ['cease/peerDeconfigured', 6, 3],
    ['cease/administrativeReset', 6, 4],
    ['cease/connectionRejected', 6, 5],
    ['cease/otherConfigurationChange', 6, 6],
    ['cease/connectionCollision', 6, 7],
    ['cease/outOfResources', 6, 8],
    ['cease/hardReset', 6, 9],
    ['cease/bfdDown', 6, 10],
    ['refresh/invalidLength', 7, 1],
    ['sendHoldTimerExpired', 8, 0],
  ]
  for (const [fault, code, subcode] of table) t.same(codeOf(fault), { code, subcode }, fault)
})

t.test('a NOTIFICATION has the octets of RFC 4271 §4.5', async (t) => {
  const { code, subcode } = codeOf('open/unsupportedVersion')
  t.equal(
    hexText(encodeNotification(code, subcode, hex('0004'))),
    `${'ff'.repeat(16)}00170302010004`,
  )
  t.equal(encodeNotification(3, 1, new Uint8Array(60000)).length, 4096, 'data is cut at 4096')
})

t.test('names are for people, and numbers stay where there is no name', async (t) => {
  t.equal(nameOf(6, 2), 'Cease / Administrative Shutdown')
  t.equal(nameOf(4, 0), 'Hold Timer Expired')
  t.equal(nameOf(6, 99), 'Cease / subcode 99')
  t.equal(nameOf(77, 3), 'code 77 / subcode 3')
})

t.test('an error carries the code, subcode and data of its fault', async (t) => {
  const error = new NotificationError('open/badPeerAs', 'says AS 1', hex('0001'))
  t.match(error, { fault: 'open/badPeerAs', code: 2, subcode: 2, message: 'says AS 1' })
  t.equal(error.name, 'NotificationError')
  t.equal(new NotificationError('holdTimerExpired', '').data.length, 0)
})

t.test('a shutdown text arrives, and a long one is cut between characters', async (t) => {
  const send = (subcode: number, data: Uint8Array) =>
    decode(encodeNotification(6, subcode, data)).text
  t.equal(send(2, encodeShutdownText('maintenance until 12:00')), 'maintenance until 12:00')
  t.equal(send(4, encodeShutdownText('wartung 🛠')), 'wartung 🛠')
  const cut = encodeShutdownText('é'.repeat(200))
  t.equal(cut.length, 255, 'one octet of length and 127 characters of two octets')
  t.equal(send(2, cut), 'é'.repeat(127))
  t.equal(send(2, encodeShutdownText('')), null)
})

t.test('a text that is malformed, hostile or out of place is not shown as sent', async (t) => {
  const table: readonly [what: string, subcode: number, data: string, text: string | null][] = [
    ['no data', 2, '', null],
    ['length 0', 2, '00', null],
    ['longer than the data', 2, '05 414243', null],
    ['octets behind the text', 2, '01 41 ffff', 'A'],
    ['a subcode without text', 6, '01 41', null],
    ['control characters', 2, '04 1b5b324a', '\uFFFD[2J'],
    ['not UTF-8', 2, '02 c328', '\uFFFD('],
  ]
  for (const [what, subcode, data, text] of table) {
    t.equal(decode(encodeNotification(6, subcode, hex(data))).text, text, what)
  }
})

t.test('a hard reset shows the reason inside it (RFC 8538)', async (t) => {
  const inner = encodeShutdownText('bye')
  const data = hex(`0602${hexText(inner)}`)
  t.match(decode(encodeNotification(6, 9, data)), {
    name: 'Cease / Hard Reset (Cease / Administrative Shutdown)',
    text: 'bye',
  })
  t.equal(decode(encodeNotification(6, 9, hex('06'))).name, 'Cease / Hard Reset')
  const nested = new Uint8Array(4000).map((_, i) => (i % 2 === 0 ? 6 : 9))
  t.equal(decode(encodeNotification(6, 9, nested)).name, 'Cease / Hard Reset (Cease / Hard Reset)')
})
