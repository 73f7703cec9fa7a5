/** Those who wait until every route of ours has left the kernel. */
export class Withdrawal {
  #waiters: { resolve(): void; reject(error: Error): void }[] = []

  get awaited(): boolean {
    return this.#waiters.length > 0
  }

  /** Resolves when `end` says that all is gone, rejects with its error otherwise. */
  wait(): Promise<void> {
    return new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }))
  }

  end(error: Error | null): void {
    for (const waiter of this.#waiters) {
      if (error === null) waiter.resolve()
      else waiter.reject(error)
    }
    this.#waiters = []
  }
}
