pragma circom 2.1.0;
include "poseidon5.circom";
include "result.circom";
component main {public [context, ciphertext]} = Result(2, 5, 1);
