pragma circom 2.1.0;
// Proof for payment (docs/seal.md, "Proofs"). CONSTANTS, MATRIX and PARTIAL_ROUNDS come from poseidon<WIDTH>.circom,
// which zoneshare_protocols.seal.circuit.constants_source writes.

template Permutation(WIDTH) {
    var FULL = 8;
    var PARTIAL = PARTIAL_ROUNDS();
    var ROUNDS = FULL + PARTIAL;
    var CONSTANT[ROUNDS][WIDTH] = CONSTANTS();
    var MATRIX_[WIDTH][WIDTH] = MATRIX();
    signal input in[WIDTH];
    signal output out[WIDTH];
    signal x2[ROUNDS][WIDTH];
    signal x4[ROUNDS][WIDTH];
    signal x5[ROUNDS][WIDTH];
    var state[WIDTH];
    for (var i = 0; i < WIDTH; i++) state[i] = in[i];
    for (var r = 0; r < ROUNDS; r++) {
        for (var i = 0; i < WIDTH; i++) state[i] = state[i] + CONSTANT[r][i];
        var raised = (r < FULL / 2 || r >= FULL / 2 + PARTIAL) ? WIDTH : 1;
        for (var i = 0; i < raised; i++) {
            x2[r][i] <== state[i] * state[i];
            x4[r][i] <== x2[r][i] * x2[r][i];
            x5[r][i] <== x4[r][i] * state[i];
            state[i] = x5[r][i];
        }
        var mixed[WIDTH];
        for (var i = 0; i < WIDTH; i++) {
            mixed[i] = 0;
            for (var j = 0; j < WIDTH; j++) mixed[i] = mixed[i] + MATRIX_[i][j] * state[j];
        }
        for (var i = 0; i < WIDTH; i++) state[i] = mixed[i];
    }
    for (var i = 0; i < WIDTH; i++) out[i] <== state[i];
}

// Public: hash (an output), context, ciphertext. Private: key.
template Result(N, WIDTH, PERMUTATIONS) {
    var DOMAIN = 11726969873990650269849758319123766827156931519043612465;
    signal input context;
    signal input ciphertext[N + 1];
    signal input key;
    signal output hash;
    signal message[N];
    component sponge[PERMUTATIONS];
    var sum = 0;
    var squeezed = 0;
    for (var p = 0; p < PERMUTATIONS; p++) {
        sponge[p] = Permutation(WIDTH);
        if (p == 0) {
            sponge[0].in[0] <== DOMAIN + N;
            sponge[0].in[1] <== key;
            sponge[0].in[2] <== context;
            for (var i = 3; i < WIDTH; i++) sponge[0].in[i] <== 0;
        } else {
            for (var i = 0; i < WIDTH; i++) sponge[p].in[i] <== sponge[p - 1].out[i];
        }
        // Element 0 is the capacity: it stays inside.
        for (var i = 1; i < WIDTH; i++) {
            if (squeezed == 0) {
                hash <== sponge[p].out[i];
            } else if (squeezed <= N) {
                message[squeezed - 1] <== ciphertext[squeezed - 1] - sponge[p].out[i];
                sum = sum + message[squeezed - 1];
            } else if (squeezed == N + 1) {
                ciphertext[N] === sponge[p].out[i] + sum;
            }
            squeezed = squeezed + 1;
        }
    }
}
