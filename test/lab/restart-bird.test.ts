/** Graceful restart in the lab with BIRD as the switch: see restart.ts. */
import t from 'tap'
import { missing } from '../network/namespaces.ts'
import { restartUnderTraffic, timeout } from './restart.ts'

const skip = await missing('ping', 'bird')

t.test('an agent and BIRD restart under traffic, and nothing is lost', { skip, timeout }, (t) =>
  restartUnderTraffic(t, { option: 'bird', pidFile: 'bird.pid' }),
)
