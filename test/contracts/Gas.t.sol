// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IConsentRegistry} from "../../contracts/interfaces/IConsentRegistry.sol";
import {Consortium} from "./support/Consortium.sol";
import {MerkleTree} from "./support/MerkleTree.sol";

/// @notice What transactions cost, all in: each call is a transaction of its own (isolation), with base fee and calldata;
/// what `check` costs is what its frame uses from cold storage. Each figure has a ceiling, and all go to cache/gas/Gas.json.
/// forge-config: default.isolate = true
contract GasTest is Consortium {
    function test_isolated() public {
        vm.prank(alice);
        consents.revokeAll(ALICE);
        assertTrue(vm.lastCallGas().gasTotalUsed > 21_000, "run with --isolate");
    }

    /// @dev EIP-170, which the test runner does not enforce.
    function test_everyContractFitsOnAChain() public view {
        address[5] memory all = [address(identity), address(consents), address(anchors), address(log), address(proxies)];
        for (uint256 i = 0; i < all.length; ++i) {
            assertTrue(all[i].code.length <= 24_576, "too large");
        }
    }

    function test_grantRelayed() public {
        IConsentRegistry.CompactGrant memory consent = compact(grantOf(ALICE, B), ALICE_KEY);
        consents.grantCompact(consent);
        measured("grant, relayed, one word", 1, 58_700);
        assertTrue(mayRead(ALICE, B), "granted");
    }

    function test_grantRelayedInABatch() public {
        IConsentRegistry.CompactGrant[] memory batch = new IConsentRegistry.CompactGrant[](50);
        for (uint256 i = 0; i < 50; ++i) {
            batch[i] = compact(grantOf(ALICE, keccak256(abi.encode("grantee", i))), ALICE_KEY);
        }
        consents.grantCompactBatch(batch);
        measured("grant, relayed, one word, each of 50", 50, 34_100);
        assertEq(consents.consentOf(ALICE, batch[49].grantee, GENERAL, READ).to, OPEN_END, "granted");
    }

    function test_grantInGeneralForm() public {
        IConsentRegistry.Grant memory consent = grantOf(ALICE, B);
        bytes memory by = signed(consent, ALICE_KEY);
        consents.grantSigned(consent, by);
        measured("grant, relayed, general form, one word", 1, 68_000);
        consent = grantOf(ALICE, DOCTOR);
        consent.labels = two(GENERAL, HIV);
        consent.actions = 63;
        by = signed(consent, ALICE_KEY);
        consents.grantSigned(consent, by);
        measured("grant, relayed, general form, twelve words", 1, 325_000);
        consent = grantOf(ALICE, A);
        vm.prank(alice);
        consents.grant(consent);
        measured("grant, sent, one word", 1, 64_000);
    }

    function test_revoke() public {
        granted();
        vm.prank(alice);
        consents.revokeLabel(ALICE, B, GENERAL, CAN_READ);
        measured("revoke, sent, one label", 1, 31_000);
        granted();
        vm.prank(alice);
        consents.revoke(ALICE, B, one(GENERAL), CAN_READ);
        measured("revoke, sent, general form, one label", 1, 32_500);
        granted();
        IConsentRegistry.Revocation memory revocation = revocationOf(ALICE, B);
        bytes memory by = signed(revocation, ALICE_KEY);
        consents.revokeSigned(revocation, by);
        measured("revoke, relayed, one label", 1, 40_000);
        vm.prank(alice);
        consents.revokeAll(ALICE);
        measured("revokeAll, sent", 1, 28_600);
    }

    function test_admit() public {
        bytes32[] memory patients = new bytes32[](50);
        bytes32[] memory keys = new bytes32[](50);
        for (uint256 i = 0; i < 50; ++i) {
            patients[i] = keccak256(abi.encode("patient", i));
        }
        IConsentRegistry.CareTerms memory terms = IConsentRegistry.CareTerms(63, 127, EVERY_CATEGORY, NOW, OPEN_END, 0);
        vm.prank(a);
        consents.admit(A, patients, keys, terms);
        measured("admit, six care grants, each of 50", 50, 190_000);
    }

    function test_anchor() public {
        vm.prank(a);
        anchors.anchor(A, 0, keccak256("root"), keccak256("manifest"), 1000);
        vm.prank(a);
        anchors.anchor(A, 1, keccak256("root 2"), keccak256("manifest 2"), 1000);
        measured("anchor, a batch of any size", 1, 36_200);
    }

    function test_publish() public {
        bytes32[] memory leaves = new bytes32[](1000);
        for (uint256 i = 0; i < 1000; ++i) {
            leaves[i] = keccak256(abi.encode(i));
        }
        bytes32 first = MerkleTree.root(leaves, 0, 900);
        bytes32 second = MerkleTree.root(leaves, 0, 1000);
        bytes32[] memory proof = MerkleTree.consistency(900, leaves, 1000);
        vm.prank(a);
        log.publish(A, 900, first, new bytes32[](0));
        vm.prank(a);
        log.publish(A, 1000, second, proof);
        measured("publish, from 900 to 1000 events", 1, 60_000);
    }

    function test_check() public {
        granted();
        vm.cool(address(consents));
        vm.cool(address(identity));
        assertTrue(mayRead(ALICE, B), "granted");
        measured("check, cold", 1, 10_200);
    }

    function granted() private {
        vm.warp(vm.getBlockTimestamp() + 1);
        IConsentRegistry.Grant memory consent = grantOf(ALICE, B);
        vm.prank(alice);
        consents.grant(consent);
    }

    /// @dev Of the last call: the gas used, after refunds, for each of `parts`.
    function measured(string memory name, uint256 parts, uint256 ceiling) private {
        uint256 used = vm.lastCallGas().gasTotalUsed / parts;
        vm.snapshotValue("Gas", name, used);
        assertTrue(used <= ceiling, string.concat(name, ": above its ceiling"));
    }
}
