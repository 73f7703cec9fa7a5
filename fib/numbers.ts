/**
 * The numbers rtnetlink speaks in, and their names: linux/netlink.h, linux/rtnetlink.h,
 * linux/nexthop.h, linux/fib_rules.h, linux/neighbour.h, linux/if.h, asm-generic/errno.h. Only those in use here.
 */

export const messageTypes = {
  error: 2,
  done: 3,
  newLink: 16,
  delLink: 17,
  getLink: 18,
  newAddress: 20,
  delAddress: 21,
  newRoute: 24,
  delRoute: 25,
  getRoute: 26,
  newNeighbour: 28,
  delNeighbour: 29,
  getNeighbour: 30,
  newRule: 32,
  delRule: 33,
  getRule: 34,
  newNexthop: 104,
  delNexthop: 105,
  getNexthop: 106,
} as const

export const messageFlags = {
  request: 0x1,
  ack: 0x4,
  dumpInterrupted: 0x10,
  dump: 0x300,
  replace: 0x100,
  excl: 0x200,
  create: 0x400,
} as const

export const attributeTypes = {
  destination: 1,
  outInterface: 4,
  gateway: 5,
  priority: 6,
  preferredSource: 7,
  multipath: 9,
  table: 15,
  via: 18,
  nexthopId: 30,
} as const

export const nexthopAttributes = {
  id: 1,
  group: 2,
  blackhole: 4,
  outInterface: 5,
  gateway: 6,
} as const

/** linux/fib_rules.h: FRA_* and FR_ACT_*. */
export const ruleAttributes = {
  destination: 1,
  inInterface: 3,
  priority: 6,
  suppressPrefixLength: 14,
  table: 15,
  padding: 18,
  protocol: 21,
} as const

export const ruleActions = { lookup: 1, blackhole: 6, unreachable: 7 } as const

export const routeTypes = { unicast: 1, local: 2, blackhole: 6 } as const

/** Names of rtm_type, as `ip route` prints them. */
export const routeTypeNames: Readonly<Record<number, string>> = {
  1: 'unicast',
  2: 'local',
  3: 'broadcast',
  4: 'anycast',
  5: 'multicast',
  6: 'blackhole',
  7: 'unreachable',
  8: 'prohibit',
  9: 'throw',
}

export const tables = { main: 254, local: 255 } as const

/** linux/rtnetlink.h and /etc/iproute2/rt_protos; 80 and 179 by the habit of their programs. */
export const protocolNames: Readonly<Record<number, string>> = {
  0: 'unspec',
  1: 'redirect',
  2: 'kernel',
  3: 'boot',
  4: 'static',
  8: 'gated',
  9: 'ra',
  10: 'mrt',
  11: 'zebra',
  12: 'bird',
  13: 'dnrouted',
  14: 'xorp',
  15: 'ntk',
  16: 'dhcp',
  17: 'kube-router',
  18: 'keepalived',
  42: 'babel',
  80: 'calico',
  99: 'openr',
  179: 'routelet',
  186: 'bgp',
  187: 'isis',
  188: 'ospf',
  189: 'rip',
  192: 'eigrp',
}

/** `bird (12)`, `kernel (2)`; `protocol 200` when the number has no name. */
export function protocolText(protocol: number): string {
  const name = protocolNames[protocol]
  return name === undefined ? `protocol ${protocol}` : `${name} (${protocol})`
}

/** Errno numbers a routing socket gives (the same on every Linux we run on). */
export const errnoNames: Readonly<Record<number, string>> = {
  1: 'EPERM',
  2: 'ENOENT',
  3: 'ESRCH',
  4: 'EINTR',
  9: 'EBADF',
  11: 'EAGAIN',
  12: 'ENOMEM',
  13: 'EACCES',
  16: 'EBUSY',
  17: 'EEXIST',
  19: 'ENODEV',
  22: 'EINVAL',
  24: 'EMFILE',
  28: 'ENOSPC',
  34: 'ERANGE',
  71: 'EPROTO',
  90: 'EMSGSIZE',
  93: 'EPROTONOSUPPORT',
  95: 'EOPNOTSUPP',
  97: 'EAFNOSUPPORT',
  99: 'EADDRNOTAVAIL',
  100: 'ENETDOWN',
  101: 'ENETUNREACH',
  105: 'ENOBUFS',
  110: 'ETIMEDOUT',
  113: 'EHOSTUNREACH',
}

export const errnos = {
  perm: 1,
  noEntry: 2,
  noSuchRoute: 3,
  again: 11,
  exists: 17,
  invalid: 22,
  protocol: 71,
  notSupported: 95,
  noBuffers: 105,
} as const

export const linkFlags = { up: 0x1, running: 0x40 } as const

export const neighbourStates = {
  incomplete: 0x01,
  failed: 0x20,
  /** REACHABLE, STALE, DELAY, PROBE, NOARP, PERMANENT: an address that can be sent to. */
  valid: 0x02 | 0x04 | 0x08 | 0x10 | 0x40 | 0x80,
} as const
