// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Consortium} from "./support/Consortium.sol";
import {MerkleTree} from "./support/MerkleTree.sol";

/// @notice The verification of RFC 9162 in the contracts against trees and proofs made by its recursive definitions.
contract MerkleTest is Consortium {
    function testFuzz_everyLeafIsIncluded(uint256 seed, uint256 size, uint256 index) public view {
        size = bound(size, 1, 70);
        index = bound(index, 0, size - 1);
        bytes32[] memory leaves = leavesOf(seed, size);
        bytes32[] memory proof = MerkleTree.inclusion(index, leaves, 0, size);
        bytes32 root = MerkleTree.root(leaves, 0, size);
        assertTrue(anchors.verifyLeaf(root, uint32(size), leaves[index], uint32(index), proof), "included");
        // No other leaf there, not elsewhere, not in a tree of another size, not outside.
        assertFalse(
            anchors.verifyLeaf(root, uint32(size), bytes32(uint256(leaves[index]) ^ 1), uint32(index), proof), "leaf"
        );
        assertFalse(anchors.verifyLeaf(root, uint32(size), leaves[index], uint32(size), proof), "outside");
        for (uint256 other = 0; other < size; ++other) {
            if (other == index) continue;
            assertFalse(anchors.verifyLeaf(root, uint32(size), leaves[index], uint32(other), proof), "elsewhere");
        }
        if (proof.length != 0) {
            proof[seed % proof.length] ^= bytes32(uint256(1));
            assertFalse(anchors.verifyLeaf(root, uint32(size), leaves[index], uint32(index), proof), "node");
        }
    }

    function testFuzz_proofsOfAnotherLengthAreRefused(uint256 seed, uint256 size, uint256 index) public view {
        size = bound(size, 2, 70);
        index = bound(index, 0, size - 1);
        bytes32[] memory leaves = leavesOf(seed, size);
        bytes32[] memory proof = MerkleTree.inclusion(index, leaves, 0, size);
        bytes32 root = MerkleTree.root(leaves, 0, size);
        bytes32[] memory longer = new bytes32[](proof.length + 1);
        bytes32[] memory shorter = new bytes32[](proof.length - 1);
        for (uint256 i = 0; i < proof.length; ++i) {
            longer[i] = proof[i];
            if (i < shorter.length) shorter[i] = proof[i];
        }
        assertFalse(anchors.verifyLeaf(root, uint32(size), leaves[index], uint32(index), longer), "longer");
        assertFalse(anchors.verifyLeaf(root, uint32(size), leaves[index], uint32(index), shorter), "shorter");
    }

    function testFuzz_everyExtensionIsConsistent(uint256 seed, uint256 first, uint256 second) public view {
        second = bound(second, 1, 70);
        first = bound(first, 1, second);
        bytes32[] memory leaves = leavesOf(seed, second);
        bytes32[] memory proof = MerkleTree.consistency(first, leaves, second);
        bytes32 firstRoot = MerkleTree.root(leaves, 0, first);
        bytes32 secondRoot = MerkleTree.root(leaves, 0, second);
        assertTrue(log.verifyConsistency(uint64(first), firstRoot, uint64(second), secondRoot, proof), "consistent");
        bytes32 other = bytes32(uint256(firstRoot) ^ 1);
        assertFalse(log.verifyConsistency(uint64(first), other, uint64(second), secondRoot, proof), "first root");
        other = bytes32(uint256(secondRoot) ^ 1);
        assertFalse(log.verifyConsistency(uint64(first), firstRoot, uint64(second), other, proof), "second root");
        if (proof.length != 0) {
            proof[seed % proof.length] ^= bytes32(uint256(1));
            assertFalse(log.verifyConsistency(uint64(first), firstRoot, uint64(second), secondRoot, proof), "node");
        }
    }

    /// @dev A log in which one early leaf was changed, or which was cut, has no consistency proof: neither its own nor that of
    /// the honest log.
    function testFuzz_aRewrittenLogIsInconsistent(uint256 seed, uint256 first, uint256 second, uint256 changed)
        public
        view
    {
        second = bound(second, 2, 70);
        first = bound(first, 1, second - 1);
        changed = bound(changed, 0, first - 1);
        bytes32[] memory leaves = leavesOf(seed, second);
        bytes32 firstRoot = MerkleTree.root(leaves, 0, first);
        bytes32[] memory honest = MerkleTree.consistency(first, leaves, second);
        leaves[changed] = keccak256(abi.encode(leaves[changed]));
        bytes32 rewritten = MerkleTree.root(leaves, 0, second);
        bytes32[] memory own = MerkleTree.consistency(first, leaves, second);
        assertFalse(log.verifyConsistency(uint64(first), firstRoot, uint64(second), rewritten, own), "own proof");
        assertFalse(log.verifyConsistency(uint64(first), firstRoot, uint64(second), rewritten, honest), "old proof");
    }

    function testFuzz_noProofOutOfNothing(uint64 first, uint64 second, bytes32 a_, bytes32 b_, bytes32[] calldata path)
        public
        view
    {
        vm.assume(first != 0 && first != second);
        assertFalse(log.verifyConsistency(first, a_, second, b_, path), "arbitrary");
    }

    function test_edgesOfConsistency() public view {
        bytes32[] memory none = new bytes32[](0);
        assertTrue(log.verifyConsistency(0, 0, 5, keccak256("root"), none), "every tree extends the empty one");
        assertFalse(log.verifyConsistency(0, 0, 5, keccak256("root"), one(0)), "with an empty proof");
        assertTrue(log.verifyConsistency(5, keccak256("root"), 5, keccak256("root"), none), "the same tree");
        assertFalse(log.verifyConsistency(5, keccak256("root"), 5, keccak256("other"), none), "another of that size");
        assertFalse(log.verifyConsistency(5, keccak256("root"), 5, keccak256("root"), one(0)), "with an empty proof");
        assertFalse(log.verifyConsistency(5, keccak256("root"), 4, keccak256("other"), none), "a smaller one");
        assertFalse(log.verifyConsistency(4, keccak256("root"), 5, keccak256("other"), none), "without proof");
        assertFalse(log.verifyConsistency(3, keccak256("root"), 5, keccak256("other"), none), "without proof");
    }

    /// @dev The tree of seven leaves of RFC 9162, 2.1.5: shapes of the proofs that it lists.
    function test_theExampleOfTheRfc() public view {
        bytes32[] memory d = leavesOf(7, 7);
        bytes32 g = MerkleTree.node(d[0], d[1]);
        bytes32 h = MerkleTree.node(d[2], d[3]);
        bytes32 i = MerkleTree.node(d[4], d[5]);
        bytes32 k = MerkleTree.node(g, h);
        bytes32 l = MerkleTree.node(i, d[6]);
        bytes32 hash = MerkleTree.node(k, l);
        bytes32[] memory d0 = new bytes32[](3);
        (d0[0], d0[1], d0[2]) = (d[1], h, l);
        assertTrue(anchors.verifyLeaf(hash, 7, d[0], 0, d0), "PATH(0, D[7])");
        assertTrue(anchors.verifyLeaf(hash, 7, d[6], 6, two(i, k)), "PATH(6, D[7])");
        bytes32[] memory proof = new bytes32[](4);
        (proof[0], proof[1], proof[2], proof[3]) = (d[2], d[3], g, l);
        assertTrue(log.verifyConsistency(3, MerkleTree.node(g, d[2]), 7, hash, proof), "PROOF(3, D[7])");
        assertTrue(log.verifyConsistency(4, k, 7, hash, one(l)), "PROOF(4, D[7])");
        assertFalse(log.verifyConsistency(4, k, 16, hash, one(l)), "the proof of a smaller tree");
        proof = new bytes32[](3);
        (proof[0], proof[1], proof[2]) = (i, d[6], k);
        assertTrue(log.verifyConsistency(6, MerkleTree.node(k, i), 7, hash, proof), "PROOF(6, D[7])");
    }

    /// @dev Proofs that go on above the root of the size that is claimed: right as hashes, wrong for that size.
    function test_aProofEndsWithTheTree() public view {
        bytes32[] memory d = leavesOf(7, 4);
        bytes32 g = MerkleTree.node(d[0], d[1]);
        assertTrue(anchors.verifyLeaf(g, 2, d[1], 1, one(d[0])), "the second of two");
        assertFalse(anchors.verifyLeaf(g, 1, d[1], 0, one(d[0])), "not the only one");
        bytes32 left = keccak256("a tree of four leaves to the left");
        bytes32 first = MerkleTree.node(left, MerkleTree.node(g, d[2]));
        bytes32 second = MerkleTree.node(left, MerkleTree.node(g, MerkleTree.node(d[2], d[3])));
        bytes32[] memory proof = new bytes32[](4);
        (proof[0], proof[1], proof[2], proof[3]) = (d[2], d[3], g, left);
        assertTrue(log.verifyConsistency(7, first, 8, second, proof), "from 7 to 8");
        assertFalse(log.verifyConsistency(3, first, 4, second, proof), "not from 3 to 4");
    }

    function test_leafHash() public view {
        assertEq(anchors.leafHashOf("leaf"), sha256(abi.encodePacked(bytes1(0), "leaf")), "0x00 before the leaf");
    }

    function leavesOf(uint256 seed, uint256 size) private pure returns (bytes32[] memory leaves) {
        leaves = new bytes32[](size);
        for (uint256 i = 0; i < size; ++i) {
            leaves[i] = MerkleTree.leaf(abi.encode(seed, i));
        }
    }
}
