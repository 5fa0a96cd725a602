pragma circom 2.1.0;
include "poseidon17.circom";
include "result.circom";
component main {public [context, ciphertext]} = Result(14, 17, 1);
