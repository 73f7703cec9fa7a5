/** The matrix against ExaBGP: see rows.ts for what is tried, docs/interop.md for the outcome. */

import { runColumn } from './column.ts'
import { exabgp } from './exabgp.ts'

await runColumn(exabgp)
