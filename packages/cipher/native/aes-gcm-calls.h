#pragma once

#include "aes-gcm.h"
#include "napi.h"

namespace culvert {

// The engine that JavaScript calls `number`: 0 the best, 1 OpenSSL (null), 2 and up AesGcmEngineAt(number - 2). False where the
// processor does not have it.
bool FindEngine(uint32_t number, const AesGcmEngine** engine);

// Adds the calls about engines of src/native.ts to the addon.
void ExportAesGcm(napi_env env, napi_value exports);

}  // namespace culvert
