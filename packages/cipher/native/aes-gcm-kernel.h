// AES-GCM over registers of several blocks. Each engine includes this once, inside its own unnamed namespace, after it has defined
//
//   CULVERT_TARGET   the instructions that its functions may use
//   CULVERT_INLINE   the same for what must be inlined
//   Lanes            a register, its loads and stores, and what the instructions do to all blocks of it
//
// Blocks are multiplied byte-swapped, with H times x, which spares GHASH's bits their reflection (Gueron and Kounavis,
// "Intel Carry-Less Multiplication Instruction and its Usage for Computing the GCM Mode", 2010). A packet's blocks are
// multiplied by descending powers of H and summed; the sum is reduced once for kGcmHashBlocks of them.

using Register = Lanes::Register;
constexpr size_t kRegister = Lanes::kBlocks * kAesBlock;
constexpr size_t kGroup = Lanes::kGroup * kRegister;

CULVERT_INLINE __m128i LoadBlock(const uint8_t* at) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at)); }
CULVERT_INLINE void StoreBlock(uint8_t* at, __m128i block) { _mm_storeu_si128(reinterpret_cast<__m128i*>(at), block); }
CULVERT_INLINE __m128i SwapMask() { return _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15); }
CULVERT_INLINE __m128i SwapBlock(__m128i block) { return _mm_shuffle_epi8(block, SwapMask()); }
CULVERT_INLINE __m128i Words(uint64_t low, uint64_t high) {
  return _mm_set_epi64x(static_cast<long long>(high), static_cast<long long>(low));
}
CULVERT_INLINE __m128i LastWord(uint32_t value) { return _mm_set_epi32(static_cast<int>(value), 0, 0, 0); }

// GHASH.

// A product that is not reduced: low + middle * x^64 + high * x^128.
struct Product {
  Register low, middle, high;
};

CULVERT_INLINE Product Multiply(Register a, Register b) {
  return {Lanes::template Multiply<0x00>(a, b),
          Lanes::Xor(Lanes::template Multiply<0x01>(a, b), Lanes::template Multiply<0x10>(a, b)),
          Lanes::template Multiply<0x11>(a, b)};
}

CULVERT_INLINE void MultiplyAdd(Register a, Register b, Product* sum) {
  sum->low = Lanes::Xor(sum->low, Lanes::template Multiply<0x00>(a, b));
  sum->middle = Lanes::Xor(sum->middle, Lanes::template Multiply<0x01>(a, b), Lanes::template Multiply<0x10>(a, b));
  sum->high = Lanes::Xor(sum->high, Lanes::template Multiply<0x11>(a, b));
}

// Adds a product's lanes up and takes the sum modulo x^128 + x^127 + x^126 + x^121 + 1, in two steps of 64 bits.
CULVERT_INLINE __m128i Reduce(const Product& product) {
  const __m128i polynomial = Words(1, 0xc200000000000000);
  const __m128i low = Lanes::Sum(product.low);
  const __m128i first = _mm_xor_si128(_mm_shuffle_epi32(low, 0x4e), _mm_clmulepi64_si128(polynomial, low, 0x01));
  const __m128i middle = _mm_xor_si128(Lanes::Sum(product.middle), first);
  const __m128i second = _mm_xor_si128(_mm_shuffle_epi32(middle, 0x4e), _mm_clmulepi64_si128(polynomial, middle, 0x01));
  return _mm_xor_si128(Lanes::Sum(product.high), second);
}

// Adds the product of one register of ciphertext and powers of H.
CULVERT_INLINE void Hash(Register ciphertext, const uint8_t* powers, Product* sum) {
  MultiplyAdd(Lanes::Shuffle(ciphertext, Lanes::Broadcast(SwapMask())), Lanes::Load(powers), sum);
}

template <int n>
CULVERT_INLINE void HashMany(const uint8_t* ciphertext, const uint8_t* powers, Product* sum) {
#pragma GCC unroll 16
  for (int i = 0; i < n; i++) Hash(Lanes::Load(ciphertext + i * kRegister), powers + i * kRegister, sum);
}

// AES (FIPS 197).

template <int rounds>
CULVERT_INLINE __m128i EncryptBlock(const AesGcmTables& tables, __m128i block) {
  block = _mm_xor_si128(block, LoadBlock(tables.round_keys[0]));
#pragma GCC unroll 16
  for (int r = 1; r < rounds; r++) block = _mm_aesenc_si128(block, LoadBlock(tables.round_keys[r]));
  return _mm_aesenclast_si128(block, LoadBlock(tables.round_keys[rounds]));
}

CULVERT_INLINE Register RoundKey(const AesGcmTables& tables, int round) {
  return Lanes::Broadcast(LoadBlock(tables.round_keys[round]));
}

// Counter blocks: the nonce, and a number in network order that is advanced where it lies while it does not leave its last byte.
struct Counter {
  __m128i nonce;  // and four bytes of zero
  uint32_t number;
  Register next;  // number and those after it
};

CULVERT_INLINE Register CounterBlocks(__m128i nonce, uint32_t number) {
  alignas(64) uint32_t words[4 * Lanes::kBlocks] = {};
  for (int i = 0; i < Lanes::kBlocks; i++) words[4 * i + 3] = __builtin_bswap32(number + static_cast<uint32_t>(i));
  return Lanes::Xor(Lanes::Load(reinterpret_cast<const uint8_t*>(words)), Lanes::Broadcast(nonce));
}

template <int n>
CULVERT_INLINE void TakeCounters(Counter* counter, Register* blocks) {
  constexpr uint32_t kTaken = n * Lanes::kBlocks;
  if (__builtin_expect((counter->number & 0xff) + kTaken <= 0xff, 1)) {
#pragma GCC unroll 16
    for (uint32_t i = 0; i < n; i++)
      blocks[i] = Lanes::Add32(counter->next, Lanes::Broadcast(LastWord((i * Lanes::kBlocks) << 24)));
    counter->next = Lanes::Add32(counter->next, Lanes::Broadcast(LastWord(kTaken << 24)));
    counter->number += kTaken;
  } else {
    for (int i = 0; i < n; i++, counter->number += Lanes::kBlocks)
      blocks[i] = CounterBlocks(counter->nonce, counter->number);
    counter->next = CounterBlocks(counter->nonce, counter->number);
  }
}

// Keystream for n registers but for the last round, whose key is still to be added to the data. Meanwhile hashes m registers
// of ciphertext, in between the rounds: AES and products run in different units of the processor.
template <int rounds, int n, int m>
CULVERT_INLINE void Encipher(const AesGcmTables& tables, Counter* counter, Register* state, const uint8_t* ciphertext,
                             const uint8_t* powers, Product* sum) {
  constexpr int kEvery = 2 * m < rounds ? 2 : 1;
  TakeCounters<n>(counter, state);
  const Register first = RoundKey(tables, 0);
#pragma GCC unroll 16
  for (int i = 0; i < n; i++) state[i] = Lanes::Xor(state[i], first);
#pragma GCC unroll 16
  for (int r = 1; r < rounds; r++) {
    const Register key = RoundKey(tables, r);
#pragma GCC unroll 16
    for (int i = 0; i < n; i++) state[i] = Lanes::Round(state[i], key);
    const int hashed = r / kEvery - 1;
    if (r % kEvery == 0 && hashed < m)
      Hash(Lanes::Load(ciphertext + hashed * kRegister), powers + hashed * kRegister, sum);
  }
}

// Where a pass stands.
struct Position {
  const uint8_t* in;
  uint8_t* out;
  const uint8_t* powers;  // of the blocks at `in`
};

// A whole group, and m registers of hashing from `ciphertext` on.
template <int rounds, int m>
CULVERT_INLINE void PassGroup(const AesGcmTables& tables, Counter* counter, Position* at, const uint8_t* ciphertext,
                              const uint8_t* powers, Product* sum) {
  Register state[Lanes::kGroup];
  Encipher<rounds, Lanes::kGroup, m>(tables, counter, state, ciphertext, powers, sum);
  const Register last = RoundKey(tables, rounds);
#pragma GCC unroll 16
  for (int i = 0; i < Lanes::kGroup; i++)
    Lanes::Store(at->out + i * kRegister, Lanes::LastRound(state[i], Lanes::Xor(last, Lanes::Load(at->in + i * kRegister))));
  at->in += kGroup;
  at->out += kGroup;
  at->powers += kGroup;
}

// The last `size` bytes of a chunk, which are n registers, the last of them perhaps in part.
template <int rounds, bool sealing, int n>
CULVERT_INLINE void PassRest(const AesGcmTables& tables, Counter* counter, Position* at, size_t size, Product* sum) {
  constexpr size_t kWhole = (n - 1) * kRegister;
  Register state[n];
  Encipher<rounds, n, sealing ? 0 : n - 1>(tables, counter, state, at->in, at->powers, sum);
  const Register last = RoundKey(tables, rounds);
  const Register in = Lanes::LoadSome(at->in + kWhole, size - kWhole);
  if (!sealing) Hash(in, at->powers + kWhole, sum);
#pragma GCC unroll 16
  for (int i = 0; i < n - 1; i++) {
    const Register out = Lanes::LastRound(state[i], Lanes::Xor(last, Lanes::Load(at->in + i * kRegister)));
    Lanes::Store(at->out + i * kRegister, out);
    if (sealing) Hash(out, at->powers + i * kRegister, sum);
  }
  const Register out = Lanes::LastRound(state[n - 1], Lanes::Xor(last, in));
  Lanes::StoreSome(at->out + kWhole, out, size - kWhole);
  if (sealing) Hash(Lanes::Some(out, size - kWhole), at->powers + kWhole, sum);
  at->in += size;
  at->out += size;
}

template <int rounds, bool sealing, int n>
CULVERT_INLINE void PassUpTo(const AesGcmTables& tables, Counter* counter, Position* at, size_t size, Product* sum) {
  if constexpr (n > 0) {
    if (size > (n - 1) * kRegister) return PassRest<rounds, sealing, n>(tables, counter, at, size, sum);
    PassUpTo<rounds, sealing, n - 1>(tables, counter, at, size, sum);
  }
}

// As many bytes as are hashed with one reduction, or what is left of a packet. `at->powers` are those of its first block.
template <int rounds, bool sealing>
CULVERT_INLINE void PassChunk(const AesGcmTables& tables, Counter* counter, Position* at, size_t size, Product* sum) {
  if (size >= kGroup) {
    if (sealing) {
      // What is sealed is hashed one group later, when it is there.
      PassGroup<rounds, 0>(tables, counter, at, nullptr, nullptr, sum);
      for (size -= kGroup; size >= kGroup; size -= kGroup)
        PassGroup<rounds, Lanes::kGroup>(tables, counter, at, at->out - kGroup, at->powers - kGroup, sum);
      HashMany<Lanes::kGroup>(at->out - kGroup, at->powers - kGroup, sum);
    } else {
      for (; size >= kGroup; size -= kGroup)
        PassGroup<rounds, Lanes::kGroup>(tables, counter, at, at->in, at->powers, sum);
    }
  }
  PassUpTo<rounds, sealing, Lanes::kGroup>(tables, counter, at, size, sum);
}

// As wide as what wrote it: a load across two stores that are still under way waits for them.
CULVERT_INLINE __m128i LoadNonce(const uint8_t* at) {
  uint32_t first;
  uint64_t second;
  memcpy(&first, at, sizeof(first));
  memcpy(&second, at + sizeof(first), sizeof(second));
  return Words(static_cast<uint64_t>(first) | second << 32, second >> 32);
}

CULVERT_INLINE __m128i LoadAd(const uint8_t* at, size_t length) {
  if (length == 8) return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(at));
  alignas(16) uint8_t block[kAesBlock] = {};
  if (length != 0) memcpy(block, at, length);
  return LoadBlock(block);
}

template <int rounds, bool sealing>
CULVERT_TARGET void Pass(const AesGcmTables& tables, const uint8_t* nonce, const uint8_t* ad, size_t ad_length,
                         const uint8_t* in, size_t length, uint8_t* out, uint8_t* tag) {
  alignas(64) static constexpr uint32_t kFromTwo[16] = {0, 0, 0, 2u << 24, 0, 0, 0, 3u << 24, 0, 0, 0, 4u << 24, 0, 0, 0, 5u << 24};
  Counter counter;
  counter.nonce = LoadNonce(nonce);
  counter.number = 2;
  counter.next = Lanes::Xor(Lanes::Broadcast(counter.nonce), Lanes::Load(reinterpret_cast<const uint8_t*>(kFromTwo)));
  const __m128i mask = EncryptBlock<rounds>(tables, _mm_xor_si128(counter.nonce, LastWord(1u << 24)));

  __m128i hashed = SwapBlock(LoadAd(ad, ad_length));
  Product sum;
  size_t before = 1;  // 1 while `hashed` is a block that has not been multiplied yet
  Position at = {in, out, nullptr};
  for (size_t left = length;; before = 0) {
    const size_t chunk = left < kGcmHashBlocks * kAesBlock ? left : kGcmHashBlocks * kAesBlock;
    left -= chunk;
    const size_t exponent = (chunk + kAesBlock - 1) / kAesBlock + (left == 0 ? 1 : 0);  // of the first block
    at.powers = tables.Power(exponent);
    sum = Multiply(Lanes::Only(hashed), Lanes::Only(LoadBlock(tables.Power(exponent + before))));
    PassChunk<rounds, sealing>(tables, &counter, &at, chunk, &sum);
    if (left == 0) break;
    hashed = Reduce(sum);
  }
  MultiplyAdd(Lanes::Only(Words(uint64_t{length} * 8, uint64_t{ad_length} * 8)), Lanes::Only(LoadBlock(tables.Power(1))), &sum);
  StoreBlock(tag, _mm_xor_si128(SwapBlock(Reduce(sum)), mask));
}

// Key set-up.

CULVERT_INLINE uint32_t SubstituteWord(uint32_t word) {
  return static_cast<uint32_t>(_mm_cvtsi128_si32(_mm_aeskeygenassist_si128(_mm_set1_epi32(static_cast<int>(word)), 0)));
}

// The key schedule of FIPS 197, section 5.2, for keys of 16 or 32 bytes.
CULVERT_INLINE void ExpandRoundKeys(const uint8_t* key, size_t length, AesGcmTables* tables) {
  uint8_t* const words = tables->round_keys[0];
  const size_t key_words = length / 4;
  const size_t all_words = 4 * (key_words + 7);
  memcpy(words, key, length);
  uint32_t constant = 1;
  for (size_t i = key_words; i < all_words; i++) {
    uint32_t word, before;
    memcpy(&word, words + 4 * (i - 1), sizeof(word));
    memcpy(&before, words + 4 * (i - key_words), sizeof(before));
    if (i % key_words == 0) {
      word = SubstituteWord(word >> 8 | word << 24) ^ constant;
      constant = constant == 0x80 ? 0x1b : constant << 1;
    } else if (key_words == 8 && i % 4 == 0) {
      word = SubstituteWord(word);
    }
    word ^= before;
    memcpy(words + 4 * i, &word, sizeof(word));
  }
}

CULVERT_TARGET void Expand(const uint8_t* key, size_t length, AesGcmTables* tables) {
  ExpandRoundKeys(key, length, tables);
  const __m128i zero = _mm_setzero_si128();
  const __m128i h = SwapBlock(length == 32 ? EncryptBlock<14>(*tables, zero) : EncryptBlock<10>(*tables, zero));
  // H times x: each half is shifted by itself, and what it loses comes back as the other's lowest bit and as the polynomial.
  const __m128i lost = _mm_srai_epi32(_mm_shuffle_epi32(h, 0xd3), 31);
  const __m128i factor = _mm_xor_si128(_mm_add_epi64(h, h), _mm_and_si128(lost, Words(1, 0xc200000000000001)));
  __m128i power = factor;
  for (size_t i = kGcmPowers; i-- > 0; power = Reduce(Multiply(Lanes::Only(power), Lanes::Only(factor))))
    StoreBlock(tables->powers[i], power);
  memset(tables->powers[kGcmPowers], 0, sizeof(tables->powers) - kGcmPowers * kAesBlock);
}
