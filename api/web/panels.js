/**
 * What the page shows of each answer: plain functions from a reply of the API to elements.
 */
import { element, table } from './dom.js'

const DIFFERENCES_SHOWN = 10

const units = [
  ['d', 86400],
  ['h', 3600],
  ['m', 60],
  ['s', 1],
]

export function duration(milliseconds) {
  let seconds = Math.max(0, Math.floor(milliseconds / 1000))
  const first = units.findIndex(([, size]) => seconds >= size)
  if (first === -1) return '0s'
  const parts = []
  for (const [letter, size] of units.slice(first, first + 2)) {
    const count = Math.floor(seconds / size)
    seconds -= count * size
    if (count > 0) parts.push(count + letter)
  }
  return parts.join(' ')
}

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
  const { fib, peers, loopDelay } = node
  const wrong = fib.pending + fib.unresolved + fib.failed + fib.conflicts
  const families = Object.entries(node.routes).map(([family, { prefixes, paths }]) =>
    card(familyName(family), prefixes, `prefixes, ${paths} paths`),
  )
  return [
    card(
      'Peers',
      `${peers.established} / ${peers.wanted}`,
      'established',
      peers.established < peers.wanted ? 'bad' : 'good',
    ),
    ...families,
    fib.mode === 'none'
      ? card('Kernel', 'off', 'the agent runs with --fib none')
      : card(
          'Kernel',
          `${fib.installed} / ${fib.wanted}`,
          'installed',
          wrong > 0 ? 'warn' : 'good',
        ),
    card(
      'Announces',
      node.announcements.length,
      node.announcements.map((a) => a.prefix).join(', '),
    ),
    card('Loop delay', `${loopDelay.p99.toFixed(1)} ms`, 'p99 of the last minute'),
  ]
}

function card(title, value, note, tone = null) {
  return element(
    'div',
    {},
    title,
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

export function peers(list) {
  const sum = (peer, name) => peer.families.reduce((total, family) => total + family[name], 0)
  const age = ({ since }) => (since === null ? null : duration(Date.now() - since))
  return table(
    'Peers',
    [
      { title: 'Name', value: (peer) => peer.name },
      {
        title: 'State',
        value: (peer) => peer.state,
        tone: ({ state }) => (state === 'Established' ? 'good' : 'bad'),
      },
      { title: 'For', value: age },
      { title: 'Address', value: (peer) => peer.address },
      { title: 'AS', value: (peer) => peer.asn, number: true },
      { title: 'Received', value: (peer) => sum(peer, 'received'), number: true },
      { title: 'Accepted', value: (peer) => sum(peer, 'accepted'), number: true },
      { title: 'Sent', value: (peer) => sum(peer, 'advertised'), number: true },
      { title: 'Flaps', value: (peer) => peer.flaps, number: true },
      {
        title: 'Reason',
        value: (peer) => peer.reason ?? (peer.lastError && `last: ${peer.lastError.text}`),
      },
    ],
    list,
  )
}

export function kernelRoutes(list, onPrefix) {
  return table(
    'Routes wanted in the kernel',
    [
      { title: 'Prefix', value: ({ prefix }) => prefixButton(prefix, onPrefix) },
      {
        title: 'Status',
        value: (route) => route.status,
        tone: ({ status }) => (status === 'installed' ? 'good' : 'warn'),
      },
      { title: 'Kind', value: (route) => route.kind },
      { title: 'Next hops', value: (route) => route.nextHops.join(' ') },
      { title: 'Via', value: (route) => gateways(route.gateways) },
      { title: 'Reason', value: (route) => route.reason },
    ],
    list,
  )
}

function prefixButton(prefix, onPrefix) {
  const id = `route-${prefix}`
  return element(
    'button',
    { id, type: 'button', class: 'link', onclick: () => onPrefix(prefix) },
    prefix,
  )
}

export function explanation({ words, bgp, fib }) {
  const sections = [
    element('div', { class: 'words' }, ...words.map((line) => element('p', {}, line))),
  ]
  if (bgp.paths.length > 0) sections.push(paths(bgp.paths))
  if (fib !== null && fib.kernel.length > 0) sections.push(kernel(fib.kernel))
  if (bgp.advertisements.length > 0) sections.push(advertisements(bgp.advertisements))
  return sections
}

function paths(list) {
  const standing = (path) =>
    path.best ? 'best' : path.multipath ? 'multipath' : path.eligible ? 'backup' : 'unusable'
  const rank = (path) => (path.stale ? `${standing(path)}, stale` : standing(path))
  const asPath = ({ attributes }) =>
    (attributes.asPath ?? []).map(({ asns }) => asns.join(' ')).join(' ')
  return table(
    'Paths',
    [
      { title: 'Path from', value: (path) => path.peer },
      {
        title: 'Rank',
        value: rank,
        tone: (path) => (path.best || path.multipath ? 'good' : 'quiet'),
      },
      { title: 'Next hop', value: (path) => path.nextHops.join(' ') },
      { title: 'AS path', value: asPath },
      {
        title: 'Preference',
        value: ({ attributes }) => attributes.localPref ?? null,
        number: true,
      },
      { title: 'Communities', value: ({ attributes }) => (attributes.communities ?? []).join(' ') },
      { title: 'Reason', value: (path) => path.reason },
    ],
    list,
  )
}

function kernel(list) {
  return table(
    'Kernel',
    [
      { title: 'Kernel', value: (route) => route.prefix },
      { title: 'Protocol', value: (route) => route.protocol },
      { title: 'Table', value: (route) => route.table, number: true },
      { title: 'Metric', value: (route) => route.metric, number: true },
      { title: 'Via', value: (route) => gateways(route.gateways) || route.kind },
    ],
    list,
  )
}

function advertisements(list) {
  return table(
    'Announced to',
    [
      { title: 'To peer', value: (row) => row.peer },
      {
        title: 'Announced',
        value: ({ advertised }) => (advertised ? 'yes' : 'no'),
        tone: ({ advertised }) => (advertised ? 'good' : 'quiet'),
      },
      { title: 'Next hop', value: ({ attributes }) => attributes?.nextHop ?? null },
      { title: 'Why', value: (row) => row.reason },
    ],
    list,
  )
}

/** What the stream says of itself stands among the events. */
export function remark(text) {
  return element('li', { class: 'warn' }, element('span', {}, text))
}

export function event({ at, level, kind, peer, text }) {
  const tones = { debug: 'quiet', info: null, warn: 'warn', error: 'bad' }
  const time = new Date(at)
  const clock = time.toLocaleTimeString(undefined, { hour12: false })
  const about = peer === null || text.includes(peer) ? text : `${peer}: ${text}`
  return element(
    'li',
    { class: tones[level] },
    element('time', { datetime: time.toISOString(), title: time.toString() }, clock),
    element('span', { class: 'kind' }, kind),
    element('span', {}, about),
  )
}

/** How the kernel compares with what is wanted, in a sentence. */
export function difference(list) {
  if (list.length === 0) return 'The kernel holds what is wanted.'
  const named = list
    .slice(0, DIFFERENCES_SHOWN)
    .map(
      ({ prefix, problem }) => `${prefix} is ${problem === 'conflict' ? 'in conflict' : problem}`,
    )
  const more = list.length - named.length
  return `${named.join('; ')}${more > 0 ? `; and ${more} more` : ''}.`
}

function gateways(list) {
  return list
    .map(({ interface: name, gateway }) => (gateway === null ? name : `${gateway} ${name}`))
    .join(', ')
}

function familyName(family) {
  return { 'ipv4-unicast': 'IPv4', 'ipv6-unicast': 'IPv6' }[family] ?? family
}
