/** The matrix against BIRD: see rows.ts for what is tried, docs/interop.md for the outcome. */
import { bird } from './bird.ts'
import { runColumn } from './column.ts'

await runColumn(bird)
