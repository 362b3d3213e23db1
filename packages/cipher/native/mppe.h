#pragma once

#include "napi.h"

namespace culvert {

// Adds MPPE's calls of src/native.ts to the addon.
void ExportMppe(napi_env env, napi_value exports);

}  // namespace culvert
