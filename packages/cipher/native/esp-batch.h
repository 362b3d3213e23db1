// ESP over whole batches.
#pragma once

#include "esp-key.h"
#include "esp-window.h"
#include "openvpn-batch.h"

namespace culvert {

// The words of EspReport in src/esp/report.ts.
struct EspReport {
  uint32_t accepted, failed, replayed, malformed, padding, next_header, dummy, bytes;
};
constexpr size_t kEspReportWords = sizeof(EspReport) / sizeof(uint32_t);

// Each returns the index of the first packet of src that was not consumed, or a negative number; the caller has checked that
// the call is valid and the key not closed.
int32_t SealEsp(EspKey* key, Call* call, uint64_t sequence, uint8_t next_header);
int32_t OpenEsp(EspKey* key, Call* call, EspWindow window, uint8_t next_header, EspReport* report);

}  // namespace culvert
