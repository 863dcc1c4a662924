#include "model/architecture.h"
