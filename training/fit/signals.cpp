// SPDX-License-Identifier: BSD-2-Clause
#include "fit/signals.h"

#include <csignal>

namespace mdrn::training {
namespace {

volatile std::sig_atomic_t g_stop = 0;

void remember(int) {
    g_stop = 1;
}

void handle(void (*handler)(int), int flags) {
    struct sigaction action = {};
    action.sa_handler = handler;
    action.sa_flags = flags;
    sigaction(SIGINT, &action, nullptr);
    sigaction(SIGTERM, &action, nullptr);
}

}  // namespace

Signals::Signals() {
    g_stop = 0;
    handle(remember, SA_RESTART | SA_RESETHAND);
}

Signals::~Signals() {
    handle(SIG_DFL, 0);
}

bool Signals::stop() {
    return g_stop;
}

}  // namespace mdrn::training
