/** Small values in the words of the page: durations, families, AS paths, gateways. */
const units = [
  ['d', 86400],
  ['h', 3600],
  ['m', 60],
  ['s', 1],
]

/** `3d 4h`, `12m 5s`, `0s`: the two largest units that count. */
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

export function clockTime(unixMs) {
  return new Date(unixMs).toLocaleTimeString(undefined, { hour12: false })
}

export function familyName(family) {
  return { 'ipv4-unicast': 'IPv4', 'ipv6-unicast': 'IPv6' }[family] ?? family
}

export function gatewaysOf(list) {
  return list
    .map(({ interface: name, gateway }) => (gateway === null ? name : `${gateway} ${name}`))
    .join(', ')
}

export function asPathOf({ asPath = [] }) {
  return asPath.map(({ asns }) => asns.join(' ')).join(' ')
}

/** `8 routes moved, 2 gone`, of the data of an event `routes.moved`. */
export function countsOfMoves({ changed, gone }) {
  const moved = changed > 0 ? `${changed} ${changed === 1 ? 'route' : 'routes'} moved` : null
  return [moved, gone > 0 ? `${gone} gone` : null].filter((part) => part !== null).join(', ')
}

/** What the decision made of a path, in one word. */
export function rankOf(path) {
  const rank = path.best
    ? 'best'
    : path.multipath
      ? 'multipath'
      : path.eligible
        ? 'backup'
        : 'unusable'
  return path.stale ? `${rank}, stale` : rank
}
