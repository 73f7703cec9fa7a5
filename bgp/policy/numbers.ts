/**
 * Bounds of the numbers in a rule, and Calico's route priority: a kernel metric, for which a lower
 * number is better, carried by iBGP as the LOCAL_PREF 2147483647 − priority.
 */
const asnMax = 0xffffffff
const u32Max = 0xffffffff
const priorityMax = 2_147_483_646

export function localPrefOf(priority: number): number {
  return 2_147_483_647 - priority
}

/** @throws RangeError */
export function checkPriority(priority: number): void {
  checkRange('a priority', priority, 1, priorityMax)
}

/** @throws RangeError for AS 0 too, which stands for nobody (RFC 7607). */
export function checkAsns(asns: readonly number[]): void {
  for (const asn of asns) checkRange('an AS number', asn, 1, asnMax)
}

/** A value of LOCAL_PREF or MULTI_EXIT_DISC. @throws RangeError */
export function checkU32(what: string, number: number): void {
  checkRange(what, number, 0, u32Max)
}

function checkRange(what: string, number: number, min: number, max: number): void {
  if (Number.isInteger(number) && number >= min && number <= max) return
  throw new RangeError(`${what} is a number from ${min} to ${max}, not ${number}`)
}
