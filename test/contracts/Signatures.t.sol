// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IConsentRegistry} from "../../contracts/interfaces/IConsentRegistry.sol";
import {Consortium} from "./support/Consortium.sol";
import {TypedData} from "./support/TypedData.sol";

/// @notice A signature says exactly one thing, once, here, in time, and not after a revocation.
contract SignaturesTest is Consortium {
    string private constant NAME = "Consentry ConsentRegistry";

    function test_anyoneRelays() public {
        IConsentRegistry.Grant memory consent = grantOf(ALICE, B);
        bytes memory by = signed(consent, ALICE_KEY);
        vm.prank(stranger);
        consents.grantSigned(consent, by);
        assertTrue(mayRead(ALICE, B), "granted");
    }

    function test_noReplay() public {
        IConsentRegistry.Grant memory consent = grantOf(ALICE, B);
        bytes memory by = signed(consent, ALICE_KEY);
        consents.grantSigned(consent, by);
        vm.expectRevert(
            abi.encodeWithSelector(IConsentRegistry.InvalidNonce.selector, ALICE, consent.nonce + 1, consent.nonce)
        );
        consents.grantSigned(consent, by);
        // Nor after it was revoked, by whatever kind of revocation.
        vm.prank(alice);
        consents.revoke(ALICE, B, one(GENERAL), CAN_READ);
        vm.expectPartialRevert(IConsentRegistry.InvalidNonce.selector);
        consents.grantSigned(consent, by);
        assertFalse(mayRead(ALICE, B), "revoked for good");
    }

    function test_aRevocationVoidsWhatHasNotBeenRelayed() public {
        IConsentRegistry.Grant memory consent = grantOf(ALICE, B);
        bytes memory by = signed(consent, ALICE_KEY);
        uint64 expected = consent.nonce;
        for (uint256 kind = 0; kind < 5; ++kind) {
            vm.startPrank(alice);
            if (kind == 0) consents.revoke(ALICE, DOCTOR, one(HIV), CAN_READ);
            if (kind == 1) consents.revokeLabel(ALICE, DOCTOR, HIV, CAN_READ);
            if (kind == 2) consents.revokeAll(ALICE);
            if (kind == 3) consents.revokeDelegation(ALICE, DOCTOR, one(HIV));
            if (kind == 4) consents.setEmergencyVeto(ALICE, true);
            vm.stopPrank();
            expected += 1 << 32;
            vm.expectRevert(
                abi.encodeWithSelector(IConsentRegistry.InvalidNonce.selector, ALICE, expected, consent.nonce)
            );
            consents.grantSigned(consent, by);
            // What is signed anew holds.
            consent = grantOf(ALICE, B);
            by = signed(consent, ALICE_KEY);
            assertEq(consent.nonce, expected, "revocation counter in the nonce");
        }
    }

    function test_anOlderSignatureDoesNotReplaceANewerDecision() public {
        IConsentRegistry.Grant memory wide = grantOf(ALICE, B);
        bytes memory by = signed(wide, ALICE_KEY);
        vm.warp(NOW + 10);
        IConsentRegistry.Grant memory narrow = grantOf(ALICE, B);
        narrow.to = NOW + 20;
        consents.grantSigned(narrow, signed(narrow, ALICE_KEY));
        vm.expectPartialRevert(IConsentRegistry.InvalidNonce.selector);
        consents.grantSigned(wide, by);
        // The same for a decision that was sent.
        IConsentRegistry.Grant memory later = grantOf(ALICE, B);
        by = signed(later, ALICE_KEY);
        vm.prank(alice);
        consents.grant(narrow);
        vm.expectPartialRevert(IConsentRegistry.InvalidNonce.selector);
        consents.grantSigned(later, by);
    }

    function test_grantsToDifferentGranteesNeedNoOrder() public {
        IConsentRegistry.Grant memory first = grantOf(ALICE, A);
        IConsentRegistry.Grant memory second = grantOf(ALICE, B);
        consents.grantSigned(second, signed(second, ALICE_KEY));
        consents.grantSigned(first, signed(first, ALICE_KEY));
        assertTrue(mayRead(ALICE, A) && mayRead(ALICE, B), "both");
    }

    function test_notBeyondTheDeadline() public {
        IConsentRegistry.Grant memory consent = grantOf(ALICE, B);
        bytes memory by = signed(consent, ALICE_KEY);
        vm.warp(consent.deadline + 1);
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.SignatureExpired.selector, consent.deadline));
        consents.grantSigned(consent, by);
        vm.warp(consent.deadline);
        consents.grantSigned(consent, by);
    }

    function test_notOnAnotherChain() public {
        IConsentRegistry.Grant memory consent = grantOf(ALICE, B);
        bytes memory by = signed(consent, ALICE_KEY);
        vm.chainId(block.chainid + 1);
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.InvalidSignature.selector, ALICE));
        consents.grantSigned(consent, by);
        IConsentRegistry.CompactGrant memory lean = compact(consent, ALICE_KEY);
        vm.chainId(block.chainid - 1);
        vm.expectPartialRevert(IConsentRegistry.RelayRefused.selector);
        consents.grantCompact(lean);
    }

    function test_notOnAnotherContract() public {
        IConsentRegistry.Grant memory consent = grantOf(ALICE, B);
        bytes32 structHash = TypedData.hash(consent);
        bytes memory elsewhere = signature(address(identity), NAME, structHash, ALICE_KEY);
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.InvalidSignature.selector, ALICE));
        consents.grantSigned(consent, elsewhere);
        bytes memory otherName = signature(address(consents), "Consentry IdentityRegistry", structHash, ALICE_KEY);
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.InvalidSignature.selector, ALICE));
        consents.grantSigned(consent, otherName);
    }

    /// @dev Every field is signed: change any one of them and the signature is nobody's.
    function testFuzz_everyFieldIsSigned(uint256 field, uint256 change) public {
        IConsentRegistry.Grant memory consent = grantOf(ALICE, B);
        consent.actions = CAN_READ | CAN_UPDATE;
        bytes memory by = signed(consent, ALICE_KEY);
        change = bound(change, 1, 5);
        field = bound(field, 0, 9);
        if (field == 0) consent.grantee = keccak256(abi.encode(change));
        if (field == 1) consent.labels = two(GENERAL, bytes32(change));
        if (field == 2) consent.actions += uint8(change);
        if (field == 3) consent.purposes += uint32(change);
        if (field == 4) consent.categories -= uint64(change);
        if (field == 5) consent.from -= uint40(change);
        if (field == 6) consent.to -= uint40(change);
        if (field == 7) consent.packageHash = bytes32(change);
        if (field == 8) consent.policyHash = bytes32(change);
        if (field == 9) consent.deadline += uint40(change);
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.InvalidSignature.selector, ALICE));
        consents.grantSigned(consent, by);
    }

    function test_aGrantIsNoRevocationAndNoOneElseSigns() public {
        IConsentRegistry.Revocation memory revocation = revocationOf(ALICE, B);
        bytes memory by = signed(revocation, STRANGER_KEY);
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.InvalidSignature.selector, ALICE));
        consents.revokeSigned(revocation, by);
        bytes memory grantSignature = signed(grantOf(ALICE, B), ALICE_KEY);
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.InvalidSignature.selector, ALICE));
        consents.revokeSigned(revocation, grantSignature);
    }

    /// @dev Each signed twin, signed by another, and signed rightly but too late.
    function test_everyTwinAsksWhoAndWhen() public {
        bytes[] memory calls = twins(STRANGER_KEY);
        for (uint256 i = 0; i < calls.length; ++i) {
            refuses(calls[i], abi.encodeWithSelector(IConsentRegistry.InvalidSignature.selector, ALICE));
        }
        calls = twins(ALICE_KEY);
        vm.warp(NOW + 1);
        for (uint256 i = 0; i < calls.length; ++i) {
            refuses(calls[i], abi.encodeWithSelector(IConsentRegistry.SignatureExpired.selector, NOW));
        }
    }

    function refuses(bytes memory call_, bytes memory reason) private {
        (bool done, bytes memory actual) = address(consents).call(call_);
        assertFalse(done, "refused");
        assertEq(keccak256(actual), keccak256(reason), "reason");
    }

    /// @dev Calls of all signed twins but the grant's, with a signature of `by` and the deadline NOW.
    function twins(uint256 by) private view returns (bytes[] memory calls) {
        uint64 nonce = consents.revocationNonce(ALICE);
        calls = new bytes[](5);
        bytes memory signature_ = signature(TypedData.revokeAll(ALICE, nonce, NOW), by);
        calls[0] = abi.encodeCall(consents.revokeAllSigned, (ALICE, nonce, NOW, signature_));
        signature_ = signature(TypedData.emergencyVeto(ALICE, true, nonce, NOW), by);
        calls[1] = abi.encodeCall(consents.setEmergencyVetoSigned, (ALICE, true, nonce, NOW, signature_));
        signature_ = signature(TypedData.revokeDelegation(ALICE, DOCTOR, one(GENERAL), nonce, NOW), by);
        calls[2] =
            abi.encodeCall(consents.revokeDelegationSigned, (ALICE, DOCTOR, one(GENERAL), nonce, NOW, signature_));
        IConsentRegistry.Delegation memory delegation;
        (delegation.patient, delegation.delegate, delegation.labels) = (ALICE, DOCTOR, one(GENERAL));
        (delegation.actions, delegation.purposes, delegation.categories) = (1, 1, 1);
        (delegation.to, delegation.nonce, delegation.deadline) = (OPEN_END, consents.grantNonce(ALICE), NOW);
        calls[3] = abi.encodeCall(consents.delegateSigned, (delegation, signature(TypedData.hash(delegation), by)));
        IConsentRegistry.Revocation memory revocation = revocationOf(ALICE, B);
        revocation.deadline = NOW;
        calls[4] = abi.encodeCall(consents.revokeSigned, (revocation, signed(revocation, by)));
    }

    /// @dev The high s of a signature is refused, and broken ones of any length are refused, not read as address zero.
    function testFuzz_malformedSignaturesAreRefused(bytes calldata garbage) public {
        IConsentRegistry.Grant memory consent = grantOf(ALICE, B);
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.InvalidSignature.selector, ALICE));
        consents.grantSigned(consent, garbage);
    }

    function test_dirtyHighBitsAreNobodysSignature() public {
        IConsentRegistry.Grant memory consent = grantOf(ALICE, B);
        bytes memory data = abi.encodeCall(consents.grantSigned, (consent, signed(consent, ALICE_KEY)));
        // The purposes lie in the fifth word of the struct, whose head begins after selector and two offsets.
        data[4 + 64 + 4 * 32] = 0x01;
        (bool done,) = address(consents).call(data);
        assertFalse(done, "refused");
    }

    function test_signedRevocationsAndVetoAreNotReplayed() public {
        IConsentRegistry.Grant memory consent = grantOf(ALICE, B);
        consents.grantSigned(consent, signed(consent, ALICE_KEY));
        IConsentRegistry.Revocation memory revocation = revocationOf(ALICE, B);
        uint64 first = revocation.nonce;
        bytes memory by = signed(revocation, ALICE_KEY);
        consents.revokeSigned(revocation, by);
        assertFalse(mayRead(ALICE, B), "revoked");
        vm.warp(NOW + 1);
        consent = grantOf(ALICE, B);
        consents.grantSigned(consent, signed(consent, ALICE_KEY));
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.InvalidNonce.selector, ALICE, first + 1, first));
        consents.revokeSigned(revocation, by);
        assertTrue(mayRead(ALICE, B), "the new grant stands");

        bytes memory all = signature(TypedData.revokeAll(ALICE, first + 1, NOW + 600), ALICE_KEY);
        consents.revokeAllSigned(ALICE, first + 1, NOW + 600, all);
        assertFalse(mayRead(ALICE, B), "all revoked");
        assertEq(consents.epochOf(ALICE), 1, "epoch");
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.InvalidNonce.selector, ALICE, first + 2, first + 1));
        consents.revokeAllSigned(ALICE, first + 1, NOW + 600, all);

        bytes memory veto = signature(TypedData.emergencyVeto(ALICE, true, first + 2, NOW + 600), ALICE_KEY);
        consents.setEmergencyVetoSigned(ALICE, true, first + 2, NOW + 600, veto);
        assertTrue(consents.emergencyVetoed(ALICE), "vetoed");
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.InvalidNonce.selector, ALICE, first + 3, first + 2));
        consents.setEmergencyVetoSigned(ALICE, true, first + 2, NOW + 600, veto);
        veto = signature(TypedData.emergencyVeto(ALICE, true, first + 3, NOW + 600), ALICE_KEY);
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.InvalidSignature.selector, ALICE));
        consents.setEmergencyVetoSigned(ALICE, false, first + 3, NOW + 600, veto);
    }

    function test_aBatchSkipsWhatDoesNotHold() public {
        IConsentRegistry.Grant[] memory batch = new IConsentRegistry.Grant[](3);
        bytes[] memory by = new bytes[](3);
        bytes32[3] memory grantees = [A, B, DOCTOR];
        for (uint256 i = 0; i < 3; ++i) {
            batch[i] = grantOf(ALICE, grantees[i]);
            by[i] = signed(batch[i], i == 1 ? STRANGER_KEY : ALICE_KEY);
        }
        vm.expectEmit(address(consents));
        emit IConsentRegistry.RelaySkipped(1, ALICE, IConsentRegistry.InvalidSignature.selector);
        consents.grantBatch(batch, by);
        assertTrue(mayRead(ALICE, A) && mayRead(ALICE, DOCTOR), "the others stand");
        assertFalse(mayRead(ALICE, B), "skipped");

        IConsentRegistry.Revocation[] memory revocations = new IConsentRegistry.Revocation[](2);
        bytes[] memory revokedBy = new bytes[](2);
        (revocations[0], revocations[1]) = (revocationOf(ALICE, B), revocationOf(ALICE, A));
        (revokedBy[0], revokedBy[1]) = (new bytes(0), signed(revocations[1], ALICE_KEY));
        consents.revokeBatch(revocations, revokedBy);
        assertFalse(mayRead(ALICE, A), "revoked in spite of its neighbour");
        vm.expectRevert(IConsentRegistry.LengthMismatch.selector);
        consents.grantBatch(batch, revokedBy);
        vm.expectRevert(IConsentRegistry.LengthMismatch.selector);
        consents.revokeBatch(revocations, by);
    }
}
