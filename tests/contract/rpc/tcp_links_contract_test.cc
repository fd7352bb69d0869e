#include "tests/contract/rpc/links_contract.h"
#include "tests/contract/rpc/tcp_world.h"

namespace ringmaster {

INSTANTIATE_TEST_SUITE_P(Tcp, LinksContract, testing::Values(+[]() -> std::unique_ptr<LinksWorld> {
                           return std::make_unique<TcpWorld>();
                         }));

}  // namespace ringmaster
