// Streams of random numbers, those of ofdb_core.formulas.streams.

/** MT19937. A number seeds it as numpy.random.RandomState(number), an array as Python's random.seed does. */
export class Mersenne {
  constructor(key) {
    const state = (this.state = new Uint32Array(624));
    this.used = 624;
    const begin = (seed) => {
      state[0] = seed;
      for (let i = 1; i < 624; i++) state[i] = Math.imul(1812433253, state[i - 1] ^ (state[i - 1] >>> 30)) + i;
    };
    if (typeof key === "number") return (begin(key), this);
    begin(19650218);
    let i = 1;
    let j = 0;
    const step = (factor, added) => {
      state[i] = (state[i] ^ Math.imul(state[i - 1] ^ (state[i - 1] >>> 30), factor)) + added;
      if (++i === 624) ((state[0] = state[623]), (i = 1));
    };
    for (let left = Math.max(624, key.length); left; left--) {
      step(1664525, key[j] + j);
      if (++j === key.length) j = 0;
    }
    for (let left = 623; left; left--) step(1566083941, -i);
    state[0] = 0x80000000;
  }

  /** The next 32 bits. */
  word() {
    const state = this.state;
    if (this.used === 624) {
      for (let i = 0; i < 624; i++) {
        const y = (state[i] & 0x80000000) | (state[i === 623 ? 0 : i + 1] & 0x7fffffff);
        state[i] = state[i < 227 ? i + 397 : i - 227] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
      }
      this.used = 0;
    }
    let y = state[this.used++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }

  /** n numbers in [0, 1), as random_sample(n) of NumPy. */
  random(n) {
    const out = new Float64Array(n);
    for (let i = 0; i < n; i++) {
      const high = this.word() >>> 5;
      out[i] = (high * 67108864 + (this.word() >>> 6)) / 9007199254740992;
    }
    return out;
  }

  /** n numbers in [low, high), as uniform(low, high, n) of NumPy. */
  uniform(low, high, n) {
    return this.random(n).map((u) => low + (high - low) * u);
  }

  /** A number in low..high - 1, as randint(low, high) of NumPy. */
  integer(low, high) {
    const span = high - 1 - low;
    const mask = 2 ** (32 - Math.clz32(span)) - 1;
    for (;;) {
      const drawn = (this.word() & mask) >>> 0;
      if (drawn <= span) return low + drawn;
    }
  }

  /** n binary 3 x 3 patches in 1..511, as random.randrange(1, 512) of Python. */
  patches(n) {
    const out = new Uint16Array(n);
    for (let i = 0; i < n;) {
      const top = this.word() >>> 23;
      if (top !== 511) out[i++] = top + 1;
    }
    return out;
  }
}

const kept = new Map();

/** The random numbers and patches that every image uses; made once. */
export function numbers(what, key, n) {
  const name = `${what} ${key} ${n}`;
  if (!kept.has(name)) {
    if (kept.size > 7) kept.delete(kept.keys().next().value);
    kept.set(name, new Mersenne(key)[what](n));
  }
  return kept.get(name);
}
