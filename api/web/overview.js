/** The node at a glance: its health in a word, its facts, cards and conditions. */
import { element } from './dom.js'
import { toneOf } from './peers.js'
import { duration, familyName } from './words.js'

const ANNOUNCEMENTS_SHOWN = 3

/** As `routelet status` judges: [word, tone]. */
export function judge(node) {
  if (!node.healthy) return ['unhealthy', 'bad']
  if (!node.ready) return ['not ready', 'warn']
  const { fib, peers, conditions } = node
  const missing = peers.established < peers.wanted || fib.failed > 0 || fib.conflicts > 0
  const faulty = conditions.some(({ severity }) => severity === 'error')
  return missing || faulty ? ['degraded', 'warn'] : ['healthy', 'good']
}

export function facts(node) {
  // Before the own Node is known, there is neither.
  const parts = node.asn === 0 ? [] : [`AS ${node.asn}`, `router id ${node.routerId}`]
  if (node.clusterId !== null) parts.push(`cluster ${node.clusterId}`)
  parts.push(`up ${duration(Date.now() - node.startedAt)}`, `routelet ${node.version}`)
  return parts.join(' · ')
}

/** @param peers Those of `/v1/peers`. */
export function summary(node, peers) {
  const { announcements, fib, loopDelay } = node
  const families = Object.entries(node.routes).map(([family, { prefixes, paths }]) =>
    card(familyName(family), prefixes, `prefixes, ${paths} paths`),
  )
  const shown = announcements.slice(0, ANNOUNCEMENTS_SHOWN).map(({ prefix }) => prefix)
  const more = announcements.length - shown.length
  if (more > 0) shown.push(`${more} more`)
  return [
    peersCard(node, peers),
    ...families,
    kernelCard(fib),
    card('Announces', announcements.length, shown.join(', ')),
    card('Loop delay', `${loopDelay.p99.toFixed(1)} ms`, 'p99 of the last minute'),
  ]
}

function peersCard({ peers: { established, wanted } }, peers) {
  const down = wanted - established
  const cutOff = peers.filter((peer) => toneOf(peer) === 'warn').length
  const note = ['established']
  if (down > 0) note.push(`${down} down`)
  if (cutOff > 0) note.push(`${cutOff} cut off`)
  const tone = down > 0 ? 'bad' : cutOff > 0 ? 'warn' : 'good'
  return card('Peers', `${established} / ${wanted}`, note.join(', '), tone)
}

function kernelCard(fib) {
  if (fib.mode === 'none') return card('Kernel', 'off', 'the agent runs with --fib none')
  const troubles = ['pending', 'unresolved', 'failed', 'conflicts', 'stale']
    .filter((name) => fib[name] > 0)
    .map((name) => `${fib[name]} ${name}`)
  const tone = fib.failed + fib.conflicts > 0 ? 'bad' : troubles.length > 0 ? 'warn' : 'good'
  return card(
    'Kernel',
    `${fib.installed} / ${fib.wanted}`,
    ['installed', ...troubles].join(', '),
    tone,
  )
}

function card(title, value, note, tone = null) {
  return element(
    'div',
    {},
    element('span', { class: 'title' }, title),
    element('b', { class: tone }, String(value)),
    element('span', { class: 'quiet' }, note),
  )
}

export function conditions(list) {
  const tones = { info: 'quiet', warning: 'warn', error: 'bad' }
  return list.map(({ severity, reason, subject, message, remedy }) =>
    element(
      'div',
      { class: `condition ${tones[severity]}` },
      element('b', {}, reason),
      ' ',
      subjectOf(subject),
      `: ${message}`,
      remedy === null ? null : element('p', { class: 'quiet' }, remedy),
    ),
  )
}

/** A peer is a link to what is known of it. */
function subjectOf(subject) {
  const [, peer = null] = /^peer (\S+)$/.exec(subject) ?? []
  if (peer === null) return subject
  return element('a', { href: `#peer=${encodeURIComponent(peer)}` }, subject)
}
