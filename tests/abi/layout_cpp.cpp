#include <broadcast/abi.h>

#include "tests/abi/layout.h"
