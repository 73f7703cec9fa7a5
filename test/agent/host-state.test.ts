/** Whether the host goes down: what systemd says counts, and without it the file nologin. */
import path from 'node:path'
import t from 'tap'
import { hostIsStopping } from '../../src/host-state.ts'

const says = (state: string) => ['sh', '-c', `echo ${state}; exit 1`] as const

t.test('signs of a shutdown', async (t) => {
  for (const { caption, systemd, nologin, command, stopping } of [
    { caption: 'systemd stops', systemd: true, command: says('stopping'), stopping: true },
    { caption: 'systemd runs', systemd: true, command: says('running'), stopping: false },
    {
      caption: 'a shutdown is only scheduled',
      systemd: true,
      nologin: true,
      command: says('degraded'),
      stopping: false,
    },
    {
      caption: 'systemd cannot be asked',
      systemd: true,
      nologin: true,
      command: ['/nowhere/systemctl'] as const,
      stopping: true,
    },
    { caption: 'no systemd, nologin', nologin: true, command: says('running'), stopping: true },
    { caption: 'no systemd, no nologin', command: says('stopping'), stopping: false },
  ]) {
    const folder = t.testdir({ ...(systemd && { system: {} }), ...(nologin && { nologin: '' }) })
    const signs = {
      systemd: path.join(folder, 'system'),
      nologin: path.join(folder, 'nologin'),
      command,
    }
    t.equal(await hostIsStopping(signs), stopping, caption)
  }
})
