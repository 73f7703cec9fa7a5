/**
 * Graceful restart in the lab with FRR as the switch: see restart.ts. When FRR itself comes back, it
 * sweeps as soon as the neighbours that are Established by then have sent End-of-RIB, and says its own
 * before it has the routes of those that take a moment longer (FRRouting/frr issues 20165 and 22623).
 */
import t from 'tap'
import { missing } from '../network/namespaces.ts'
import { restartUnderTraffic, timeout } from './restart.ts'

const skip = await missing('ping', '/usr/lib/frr/bgpd', '/usr/lib/frr/zebra', 'vtysh')

t.test('an agent and FRR restart under traffic, and no loss is ours', { skip, timeout }, (t) =>
  restartUnderTraffic(t, { option: 'frr', pidFile: 'bgpd.pid', sweepsEarly: true }),
)
