// RC4, for MPPE alone: several streams side by side, each from the start of its own key.
//
// One stream waits for itself: every byte needs the place where the one before it was swapped. Four streams fill the pipeline
// with each other's work and take 0.8 ns a byte where one takes 1.9 (2-core x86-64).
#pragma once

#include <cstddef>
#include <cstdint>

namespace culvert {

constexpr size_t kRc4Lanes = 4;

struct Rc4Tables {
  alignas(64) uint32_t lane[kRc4Lanes][256];
};

// `data` is encrypted or decrypted in place. The key has 8 or 16 bytes.
struct Rc4Job {
  const uint8_t* key = nullptr;
  uint8_t* data = nullptr;
  size_t length = 0;
};

// The state of one stream after its key schedule. `key_length` is a power of two.
void Rc4Schedule(uint32_t* table, const uint8_t* key, size_t key_length);

// The first `length` bytes of the stream over `data`; the table is of no further use.
void Rc4Stream(uint32_t* table, uint8_t* data, size_t length);

// Up to kRc4Lanes jobs, of any lengths; it changes their order. The caller wipes the tables when it has done all its work.
void Rc4Crypt(Rc4Tables* tables, Rc4Job* jobs, size_t count, size_t key_length);

}  // namespace culvert
