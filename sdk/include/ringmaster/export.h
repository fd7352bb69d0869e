// What the shared library shows. Everything else in it is hidden.
#pragma once

#define RINGMASTER_SDK [[gnu::visibility("default")]]
