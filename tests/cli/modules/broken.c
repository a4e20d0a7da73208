/* A module that cannot be initialised, and says why with a control character in it.
 *
 * SPDX-License-Identifier: MIT */
#include <interlock/module.h>

static il_status exec(il_call *call) { return il_raise(call, IL_ERROR_STATE, "no licence \033[31mfound"); }

IL_MODULE(broken, "broken", "1.0", FREE, NULL, 0, NULL, exec, NULL);
