/** The matrix against FRR: see rows.ts for what is tried, docs/interop.md for the outcome. */

import { runColumn } from './column.ts'
import { frr } from './frr.ts'

await runColumn(frr)
