/** The matrix against OpenBGPD: see rows.ts for what is tried, docs/interop.md for the outcome. */

import { runColumn } from './column.ts'
import { openbgpd } from './openbgpd.ts'

await runColumn(openbgpd)
