/** The rows of the matrix: what is tried with every daemon, in the order of the table. */

export const rows = {
  'ebgp-ipv4': 'eBGP, IPv4',
  'ebgp-ipv6': 'eBGP, IPv6',
  'ebgp-both': 'eBGP, both families over one session',
  'client-ipv4': 'iBGP client of our reflector, IPv4',
  'client-ipv6': 'iBGP client of our reflector, IPv6',
  'client-both': 'iBGP client of our reflector, both over one session',
  'reflector-ipv4': 'our reflector between two of them, IPv4',
  'reflector-ipv6': 'our reflector between two of them, IPv6',
  'reflector-both': 'our reflector between two of them, both over one session',
  'four-octet-as': 'four-octet AS numbers (RFC 6793)',
  'two-octet-as': 'a peer that knows two-octet AS numbers only (RFC 6793)',
  'large-communities': 'communities, standard and large, untouched (RFC 1997, RFC 8092)',
  'refresh-asked': 'route refresh, asked by us (RFC 2918)',
  'refresh-answered': 'route refresh, asked by the peer (RFC 2918)',
  'enhanced-refresh': 'enhanced route refresh, both ways (RFC 7313)',
  md5: 'TCP MD5: the right key, and a wrong one (RFC 2385)',
  gtsm: 'GTSM, `ttlSecurity` (RFC 5082)',
  'add-path-sent': 'add-path: both ECMP paths through our reflector (RFC 7911)',
  'add-path-received': 'add-path: both paths received, one ECMP route in the kernel (RFC 7911)',
  'extended-messages': 'extended messages: an UPDATE of more than 4096 octets (RFC 8654)',
  'max-prefixes': '`maxPrefixes`: warned, put down with 6/1, tried again (RFC 4486)',
  'peer-range': 'dynamic neighbours, `peerRange`',
  'local-as': 'another AS towards one peer, `localASNumber` (RFC 7705)',
  'as-override': '`asOverride`',
  'allowed-local-as': '`numAllowedLocalASNumbers`',
  'graceful-shutdown': 'GRACEFUL_SHUTDOWN lowers LOCAL_PREF (RFC 8326)',
  'filter-import': 'BGPFilter on import: by prefix and by community',
  'filter-export': 'BGPFilter on export: community, prepend, MED',
  'shutdown-heard': "shutdown communication of the peer's (RFC 9003)",
  'shutdown-said': 'administrative shutdown by us (RFC 4486)',
  'restart-helper': 'graceful restart: the peer is killed and comes back (RFC 4724)',
  'restart-ours': 'graceful restart: we are killed and come back (RFC 4724)',
} as const

export type Row = keyof typeof rows
export const rowKeys = Object.keys(rows) as Row[]
