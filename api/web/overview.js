/** The node at a glance: its health in a word, its facts, cards and conditions. */
import { element } from './dom.js'
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

export function summary(node) {
  const { announcements, fib, peers, loopDelay } = node
  const down = peers.wanted - peers.established
  const families = Object.entries(node.routes).map(([family, { prefixes, paths }]) =>
    card(familyName(family), prefixes, `prefixes, ${paths} paths`),
  )
  const shown = announcements.slice(0, ANNOUNCEMENTS_SHOWN).map(({ prefix }) => prefix)
  const more = announcements.length - shown.length
  if (more > 0) shown.push(`${more} more`)
  return [
    card(
      'Peers',
      `${peers.established} / ${peers.wanted}`,
      down > 0 ? `established, ${down} down` : 'established',
      down > 0 ? 'bad' : 'good',
    ),
    ...families,
    kernelCard(fib),
    card('Announces', announcements.length, shown.join(', ')),
    card('Loop delay', `${loopDelay.p99.toFixed(1)} ms`, 'p99 of the last minute'),
  ]
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
      ` ${subject}: ${message}`,
      remedy === null ? null : element('p', { class: 'quiet' }, remedy),
    ),
  )
}
