/** The matrix against GoBGP: see rows.ts for what is tried, docs/interop.md for the outcome. */

import { runColumn } from './column.ts'
import { gobgp } from './gobgp.ts'

await runColumn(gobgp)
