#pragma once

#include "napi.h"

namespace culvert {

// Adds the calls of src/native.ts to the addon.
void ExportOpenvpnAead(napi_env env, napi_value exports);

}  // namespace culvert
