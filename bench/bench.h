// The benchmarks of `ringbench`. Each prints its figures beside a limit that it measures itself, in the same
// run, and answers the exit status: 0, or 1 if it could not run. argv[0] is the benchmark's name.
#pragma once

namespace ringmaster {

int bench_ring(int argc, char** argv);       // the hash ring alone
int bench_rpc(int argc, char** argv);        // messages between two nodes
int bench_tasks(int argc, char** argv);      // whole tasks through a master and a worker
int bench_workers(int argc, char** argv);    // what many workers cost one master
int bench_masters(int argc, char** argv);    // several masters on one PostgreSQL
int bench_backlog(int argc, char** argv);    // ten million waiting tasks
int bench_endurance(int argc, char** argv);  // the full rate for ten minutes
int bench_http(int argc, char** argv);       // submissions over HTTP and over the RPC, and open long polls
int bench_failover(int argc, char** argv);   // workers and masters killed under load

}  // namespace ringmaster
