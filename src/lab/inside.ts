/**
 * Entry of the inner process of a lab without root (see user-namespace.ts): takes its options from
 * the command line and its signals from the outer process, and ends with it.
 */
import { runLabAsRoot, sayErrors } from './lab.ts'
import { type LabOptions, readLabOptions } from './options.ts'
import { mountOwnNames, type OuterMessage } from './user-namespace.ts'

process.on('message', ({ signal }: OuterMessage) => process.emit(signal, signal))
process.once('disconnect', () => process.emit('SIGTERM', 'SIGTERM'))
process.exitCode = await sayErrors(async () => {
  await mountOwnNames()
  const settings = readLabOptions(JSON.parse(process.argv[2] ?? '{}') as LabOptions)
  return runLabAsRoot(settings, { privileged: false })
})
if (process.connected) process.disconnect()
