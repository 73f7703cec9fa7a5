/** Routes: an explanation, a table of paths, the kernel's routes, next hops and the difference. */
import { element, table } from './dom.js'
import { asPathOf, gatewaysOf, rankOf } from './words.js'

/** Rows of the tables that the API doesn't page. */
const ROWS_SHOWN = 100

export function explanation({ words, bgp, fib }) {
  const sections = [
    element('div', { class: 'words' }, ...words.map((line) => element('p', {}, line))),
  ]
  if (bgp.paths.length > 0) sections.push(pathTable('Paths', bgp.paths))
  if (fib !== null && fib.kernel.length > 0) sections.push(kernelTable(fib.kernel))
  if (bgp.advertisements.length > 0) sections.push(advertisementTable(bgp.advertisements))
  return sections
}

/**
 * @param onPrefix Given, prefixes are buttons that call it.
 * @param from Whether the peers the paths were learned from are not the same anyway.
 */
export function pathTable(caption, list, onPrefix = null, from = true) {
  const prefix = { title: 'Prefix', value: ({ prefix }) => prefixButton(prefix, caption, onPrefix) }
  return table(
    caption,
    [
      ...(onPrefix === null ? [] : [prefix]),
      ...(from ? [{ title: 'From', value: (path) => path.peer }] : []),
      {
        title: 'Rank',
        value: rankOf,
        tone: (path) => (path.best || path.multipath ? 'good' : 'quiet'),
      },
      { title: 'Next hop', value: (path) => path.nextHops.join(' ') },
      { title: 'AS path', value: ({ attributes }) => asPathOf(attributes) },
      {
        title: 'Preference',
        value: ({ attributes }) => attributes.localPref ?? null,
        number: true,
      },
      { title: 'Communities', value: ({ attributes }) => (attributes.communities ?? []).join(' ') },
      { title: 'Reason', wide: true, value: (path) => path.reason },
    ],
    list,
  )
}

function kernelTable(list) {
  return table(
    'Kernel',
    [
      { title: 'Kernel route', value: (route) => route.prefix },
      { title: 'Protocol', value: (route) => route.protocol },
      { title: 'Table', value: (route) => route.table, number: true },
      { title: 'Metric', value: (route) => route.metric, number: true },
      { title: 'Via', value: (route) => gatewaysOf(route.gateways) || route.kind },
    ],
    list,
  )
}

function advertisementTable(list) {
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
      { title: 'Why', wide: true, value: (row) => row.reason },
    ],
    list,
  )
}

export function kernelRoutes(list, onPrefix) {
  return table(
    'Routes wanted in the kernel',
    [
      { title: 'Prefix', value: ({ prefix }) => prefixButton(prefix, 'kernel', onPrefix) },
      {
        title: 'Status',
        value: (route) => route.status,
        tone: ({ status }) => (status === 'installed' ? 'good' : 'warn'),
      },
      { title: 'Kind', value: (route) => route.kind },
      { title: 'Next hops', value: (route) => route.nextHops.join(' ') },
      { title: 'Kernel via', value: (route) => gatewaysOf(route.gateways) },
      { title: 'Object', value: (route) => route.nexthop },
      { title: 'Reason', wide: true, value: (route) => route.reason },
    ],
    list,
  )
}

/** Next hops as the kernel's tables resolve them. */
export function nextHops(list) {
  return table(
    'Next hops',
    [
      { title: 'Next hop', value: ({ nextHop }) => nextHop },
      {
        title: 'Reachable',
        value: ({ reachable }) => (reachable ? 'yes' : 'no'),
        tone: ({ reachable }) => (reachable ? 'good' : 'bad'),
      },
      {
        title: 'Metric',
        value: ({ reachable, metric }) => (reachable ? metric : null),
        number: true,
      },
      { title: 'Via', value: ({ gateways }) => gatewaysOf(gateways) },
      { title: 'How', wide: true, value: ({ reason }) => reason },
    ],
    list.slice(0, ROWS_SHOWN),
  )
}

/** Groups: the sets of gateways that traffic is spread over, and how many routes use each. */
export function ecmpGroups(list) {
  const gatewaysById = new Map(list.map(({ id, gateways }) => [id, gatewaysOf(gateways)]))
  const groups = list.filter(({ kind, routes }) => kind === 'group' || routes > 0)
  return table(
    'Nexthop objects in use',
    [
      { title: 'Object', value: ({ id }) => id },
      { title: 'Kind', value: ({ kind }) => (kind === 'group' ? 'ECMP group' : 'single') },
      { title: 'Routes', value: ({ routes }) => routes, number: true },
      {
        title: 'Gateways',
        value: ({ members, gateways }) =>
          members.length > 0
            ? members.map((id) => gatewaysById.get(id) ?? id).join(', ')
            : gatewaysOf(gateways),
      },
    ],
    groups.slice(0, ROWS_SHOWN),
  )
}

/** Where the kernel differs from what is wanted. */
export function difference(list, onPrefix) {
  if (list.length === 0)
    return [element('p', { class: 'good' }, 'The kernel holds what is wanted.')]
  const more = list.length - ROWS_SHOWN
  return [
    table(
      'Differences',
      [
        { title: 'Prefix', value: ({ prefix }) => prefixButton(prefix, 'difference', onPrefix) },
        { title: 'Problem', value: ({ problem }) => problem, tone: () => 'bad' },
        { title: 'Wanted', value: ({ wanted }) => wanted },
        { title: 'Installed', value: ({ installed }) => installed },
        { title: 'Reason', wide: true, value: ({ reason }) => reason },
      ],
      list.slice(0, ROWS_SHOWN),
    ),
    more > 0 ? element('p', { class: 'quiet' }, `And ${more} more.`) : null,
  ]
}

/** @param place Tells apart the buttons of one prefix in several tables. */
export function prefixButton(prefix, place, onPrefix) {
  const id = `${place}-${prefix}`.replaceAll(' ', '-')
  return element(
    'button',
    { id, type: 'button', class: 'link', onclick: () => onPrefix(prefix) },
    prefix,
  )
}
