#include "ctl/ctl.h"

int main(int argc, char** argv) {
  return ringmaster::run_ringctl(argc, argv);
}
