#include "rc4.h"

#include <cstring>
#include <utility>

namespace culvert {
namespace {

void Identity(uint32_t* table) {
  for (uint32_t i = 0; i < 256; i++) table[i] = i;
}

template <size_t N>
void ScheduleLanes(Rc4Tables* tables, const Rc4Job* jobs, size_t mask) {
  uint32_t j[N] = {};
  const uint8_t* key[N];
  for (size_t lane = 0; lane < N; lane++) {
    key[lane] = jobs[lane].key;
    Identity(tables->lane[lane]);
  }
#pragma GCC unroll 4
  for (size_t i = 0; i < 256; i++) {
#pragma GCC unroll 4
    for (size_t lane = 0; lane < N; lane++) {
      uint32_t* const table = tables->lane[lane];
      const uint32_t a = table[i];
      j[lane] = (j[lane] + a + key[lane][i & mask]) & 0xff;
      table[i] = table[j[lane]];
      table[j[lane]] = a;
    }
  }
}

// Bytes [from, to) of N streams, which have all come to `from`, a multiple of eight as `to` is.
template <size_t N>
void RunLanes(Rc4Tables* tables, const Rc4Job* jobs, uint32_t* places, size_t from, size_t to) {
  uint32_t j[N];
  for (size_t lane = 0; lane < N; lane++) j[lane] = places[lane];
  for (size_t at = from; at < to; at += 8) {
    uint64_t stream[N] = {};
#pragma GCC unroll 8
    for (size_t byte = 0; byte < 8; byte++) {
      const size_t i = (at + byte + 1) & 0xff;
#pragma GCC unroll 4
      for (size_t lane = 0; lane < N; lane++) {
        uint32_t* const table = tables->lane[lane];
        const uint32_t a = table[i];
        j[lane] = (j[lane] + a) & 0xff;
        const uint32_t b = table[j[lane]];
        table[j[lane]] = a;
        table[i] = b;
        stream[lane] |= static_cast<uint64_t>(table[(a + b) & 0xff]) << (8 * byte);
      }
    }
    for (size_t lane = 0; lane < N; lane++) {
      uint64_t word;
      memcpy(&word, jobs[lane].data + at, sizeof(word));
      word ^= stream[lane];
      memcpy(jobs[lane].data + at, &word, sizeof(word));
    }
  }
  for (size_t lane = 0; lane < N; lane++) places[lane] = j[lane];
}

void RunTail(uint32_t* table, const Rc4Job& job, uint32_t j, size_t from) {
  for (size_t at = from; at < job.length; at++) {
    const size_t i = (at + 1) & 0xff;
    const uint32_t a = table[i];
    j = (j + a) & 0xff;
    const uint32_t b = table[j];
    table[j] = a;
    table[i] = b;
    job.data[at] ^= static_cast<uint8_t>(table[(a + b) & 0xff]);
  }
}

// The longest first, so that the lanes that still run are always the first ones.
void SortByLength(Rc4Job* jobs, size_t count) {
  for (size_t i = 1; i < count; i++)
    for (size_t at = i; at > 0 && jobs[at].length > jobs[at - 1].length; at--) std::swap(jobs[at], jobs[at - 1]);
}

template <size_t N>
void Finish(Rc4Tables* tables, const Rc4Job* jobs, uint32_t* places, size_t from) {
  if constexpr (N > 0) {
    const size_t to = jobs[N - 1].length & ~size_t{7};
    RunLanes<N>(tables, jobs, places, from, to);
    RunTail(tables->lane[N - 1], jobs[N - 1], places[N - 1], to);
    Finish<N - 1>(tables, jobs, places, to);
  }
}

template <size_t N>
void Crypt(Rc4Tables* tables, Rc4Job* jobs, size_t mask) {
  SortByLength(jobs, N);
  uint32_t places[N] = {};
  ScheduleLanes<N>(tables, jobs, mask);
  Finish<N>(tables, jobs, places, 0);
}

}  // namespace

void Rc4Schedule(uint32_t* table, const uint8_t* key, size_t key_length) {
  const size_t mask = key_length - 1;
  Identity(table);
  uint32_t j = 0;
  uint32_t a = table[0];
  for (size_t i = 0; i < 256; i++) {
    // The next value is read before the swap is stored, and put right in the one case of 256 where the swap changes it: the
    // processor would otherwise hold the read back until it knows the place of the swap. Nearly twice as fast.
    uint32_t next = table[(i + 1) & 0xff];
    j = (j + a + key[i & mask]) & 0xff;
    table[i] = table[j];
    table[j] = a;
    if (__builtin_expect(j == i + 1, 0)) {
      next = a;
      asm volatile("");  // keeps it a branch: a conditional move would wait for the place again
    }
    a = next;
  }
}

void Rc4Stream(uint32_t* table, uint8_t* data, size_t length) {
  Rc4Job job;
  job.data = data;
  job.length = length;
  RunTail(table, job, 0, 0);
}

void Rc4Crypt(Rc4Tables* tables, Rc4Job* jobs, size_t count, size_t key_length) {
  const size_t mask = key_length - 1;
  switch (count) {
    case 1: Crypt<1>(tables, jobs, mask); break;
    case 2: Crypt<2>(tables, jobs, mask); break;
    case 3: Crypt<3>(tables, jobs, mask); break;
    case 4: Crypt<4>(tables, jobs, mask); break;
    default: break;
  }
}

}  // namespace culvert
