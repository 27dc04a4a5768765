// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IConsentRegistry} from "../../contracts/interfaces/IConsentRegistry.sol";
import {IIdentityRegistry} from "../../contracts/interfaces/IIdentityRegistry.sol";
import {Consortium} from "./support/Consortium.sol";
import {TypedData} from "./support/TypedData.sol";

/// @notice Delegates decide within their bounds, one step deep, and never over the patient.
contract DelegationsTest is Consortium {
    uint40 private constant END = NOW + 1000;

    function setUp() public override {
        super.setUp();
        delegates(alice, boundsOf(ALICE, one(GENERAL)));
    }

    function test_withinTheBounds() public {
        IConsentRegistry.Grant memory consent = within();
        vm.prank(doctor);
        consents.grantAsDelegate(DOCTOR, consent);
        assertTrue(mayRead(ALICE, B), "granted");
        assertEq(consents.consentOf(ALICE, B, GENERAL, READ).flags, 2, "by a delegate");
        IConsentRegistry.Consent memory bounds = consents.delegationOf(ALICE, DOCTOR, GENERAL);
        assertEq(bounds.flags >> 8, CAN_READ | CAN_UPDATE, "delegable actions");
    }

    function testFuzz_neverBeyondTheBounds(uint256 way, uint256 by) public {
        IConsentRegistry.Grant memory consent = within();
        by = bound(by, 1, 1000);
        way = bound(way, 0, 5);
        if (way == 0) consent.labels = two(GENERAL, bytes32(by));
        if (way == 1) consent.actions = uint8(bound(by, 1, 63)) | CAN_CREATE;
        if (way == 2) consent.purposes = TREAT | RESEARCH;
        if (way == 3) consent.categories |= uint64(bound(by, 4, 1000) & ~uint256(3)) | 8;
        if (way == 4) consent.from = NOW - uint40(by);
        if (way == 5) consent.to = END + uint40(by);
        vm.prank(doctor);
        vm.expectRevert(
            abi.encodeWithSelector(
                IConsentRegistry.BeyondDelegation.selector, ALICE, DOCTOR, way == 0 ? bytes32(by) : GENERAL
            )
        );
        consents.grantAsDelegate(DOCTOR, consent);
    }

    function test_aDelegationOfAllLabelsCoversEach() public {
        delegates(alice, boundsOf(ALICE, one(ALL_LABELS)));
        IConsentRegistry.Grant memory consent = within();
        consent.labels = two(HIV, ALL_LABELS);
        vm.prank(doctor);
        consents.grantAsDelegate(DOCTOR, consent);
        assertTrue(consents.check(ALICE, B, HIV, READ, TREAT, 1), "covered");
    }

    function test_onlyTheDelegateAndOnlyWhileActive() public {
        IConsentRegistry.Grant memory consent = within();
        vm.prank(b);
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.NotAuthorised.selector, ALICE, b));
        consents.grantAsDelegate(DOCTOR, consent);
        vm.prank(b);
        vm.expectPartialRevert(IConsentRegistry.BeyondDelegation.selector);
        consents.grantAsDelegate(B, consent);
        vm.prank(b);
        identity.setStatus(DOCTOR, IIdentityRegistry.Status.Suspended);
        vm.prank(doctor);
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.NotAuthorised.selector, ALICE, doctor));
        consents.grantAsDelegate(DOCTOR, consent);
    }

    function test_oneStepDeep() public {
        IConsentRegistry.Delegation memory further = boundsOf(ALICE, one(GENERAL));
        vm.prank(doctor);
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.NotAuthorised.selector, ALICE, doctor));
        consents.delegate(further);
    }

    function test_aDelegateDoesNotReplaceWhatThePatientDecided() public {
        IConsentRegistry.Grant memory own = grantOf(ALICE, B);
        own.to = NOW + 10;
        vm.prank(alice);
        consents.grant(own);
        vm.warp(NOW + 5);
        IConsentRegistry.Grant memory consent = within();
        vm.prank(doctor);
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.DecidedByPatient.selector, ALICE, B, GENERAL, READ));
        consents.grantAsDelegate(DOCTOR, consent);
        vm.warp(NOW + 11);
        consent = within();
        vm.prank(doctor);
        consents.grantAsDelegate(DOCTOR, consent);
        assertTrue(mayRead(ALICE, B), "once the patient's has ended");
        vm.warp(NOW + 12);
        own = grantOf(ALICE, B);
        vm.prank(alice);
        consents.grant(own);
        assertEq(consents.consentOf(ALICE, B, GENERAL, READ).flags, 0, "the patient replaces the delegate's");
    }

    function test_itEndsWithItsPeriodItsRevocationAndTheEpoch() public {
        bytes memory reason = abi.encodeWithSelector(IConsentRegistry.BeyondDelegation.selector, ALICE, DOCTOR, GENERAL);
        IConsentRegistry.Grant memory consent = within();
        vm.warp(END);
        vm.prank(doctor);
        vm.expectRevert(reason);
        consents.grantAsDelegate(DOCTOR, consent);

        vm.warp(NOW);
        vm.prank(alice);
        consents.revokeDelegation(ALICE, DOCTOR, one(GENERAL));
        vm.prank(doctor);
        vm.expectRevert(reason);
        consents.grantAsDelegate(DOCTOR, consent);

        vm.warp(NOW + 1);
        delegates(alice, boundsOf(ALICE, one(GENERAL)));
        vm.prank(alice);
        consents.revokeAll(ALICE);
        vm.prank(doctor);
        vm.expectRevert(reason);
        consents.grantAsDelegate(DOCTOR, consent);
    }

    function test_whatACustodianDelegatedEndsWithTheCustody() public {
        delegates(a, boundsOf(CAROL, one(GENERAL)));
        IConsentRegistry.Grant memory consent = within();
        consent.patient = CAROL;
        vm.prank(doctor);
        consents.grantAsDelegate(DOCTOR, consent);
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256("ChangeController(bytes32 party,address controller,uint256 nonce,uint256 deadline)"),
                CAROL,
                carol,
                identity.nonces(CAROL),
                uint256(NOW)
            )
        );
        bytes memory acceptance = signature(address(identity), "Consentry IdentityRegistry", structHash, CAROL_KEY);
        vm.prank(a);
        identity.changeController(CAROL, carol, NOW, "", acceptance);
        consent.grantee = A;
        vm.prank(doctor);
        vm.expectPartialRevert(IConsentRegistry.BeyondDelegation.selector);
        consents.grantAsDelegate(DOCTOR, consent);
    }

    function test_signedTwins() public {
        vm.warp(NOW + 1);
        IConsentRegistry.Delegation memory delegation = boundsOf(ALICE, one(HIV));
        bytes memory by = signature(TypedData.hash(delegation), ALICE_KEY);
        consents.delegateSigned(delegation, by);
        vm.expectPartialRevert(IConsentRegistry.InvalidNonce.selector);
        consents.delegateSigned(delegation, by);

        IConsentRegistry.Grant memory consent = within();
        consent.labels = one(HIV);
        bytes memory stranger_ = signature(TypedData.hash(DOCTOR, consent), STRANGER_KEY);
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.InvalidSignature.selector, ALICE));
        consents.grantAsDelegateSigned(DOCTOR, consent, stranger_);
        bytes memory plain = signed(consent, DOCTOR_KEY);
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.InvalidSignature.selector, ALICE));
        consents.grantAsDelegateSigned(DOCTOR, consent, plain);
        bytes memory asDelegate = signature(TypedData.hash(DOCTOR, consent), DOCTOR_KEY);
        consents.grantAsDelegateSigned(DOCTOR, consent, asDelegate);
        assertTrue(consents.check(ALICE, B, HIV, READ, TREAT, 1), "granted");
        vm.expectPartialRevert(IConsentRegistry.InvalidNonce.selector);
        consents.grantAsDelegateSigned(DOCTOR, consent, asDelegate);

        uint64 nonce = consents.revocationNonce(ALICE);
        by = signature(TypedData.revokeDelegation(ALICE, DOCTOR, one(HIV), nonce, END), ALICE_KEY);
        consents.revokeDelegationSigned(ALICE, DOCTOR, one(HIV), nonce, END, by);
        assertEq(consents.delegationOf(ALICE, DOCTOR, HIV).to, 0, "revoked");
        vm.expectPartialRevert(IConsentRegistry.InvalidNonce.selector);
        consents.revokeDelegationSigned(ALICE, DOCTOR, one(HIV), nonce, END, by);
    }

    function test_notBeforeItBeginsAndNotByASuspendedDelegate() public {
        vm.warp(NOW + 1);
        IConsentRegistry.Delegation memory delegation = boundsOf(ALICE, one(HIV));
        delegation.from = NOW + 10;
        delegates(alice, delegation);
        IConsentRegistry.Grant memory consent = within();
        (consent.labels, consent.from) = (one(HIV), NOW + 10);
        vm.prank(doctor);
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.BeyondDelegation.selector, ALICE, DOCTOR, HIV));
        consents.grantAsDelegate(DOCTOR, consent);
        vm.warp(NOW + 10);
        bytes memory by = signature(TypedData.hash(DOCTOR, consent), DOCTOR_KEY);
        vm.prank(b);
        identity.setStatus(DOCTOR, IIdentityRegistry.Status.Suspended);
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.InvalidSignature.selector, ALICE));
        consents.grantAsDelegateSigned(DOCTOR, consent, by);
        vm.prank(b);
        identity.setStatus(DOCTOR, IIdentityRegistry.Status.Active);
        consents.grantAsDelegateSigned(DOCTOR, consent, by);
    }

    function test_aResignationIsNotUndoneByReplay() public {
        vm.warp(NOW + 1);
        IConsentRegistry.Delegation memory delegation = boundsOf(ALICE, one(HIV));
        bytes memory by = signature(TypedData.hash(delegation), ALICE_KEY);
        consents.delegateSigned(delegation, by);
        vm.prank(doctor);
        consents.revokeDelegation(ALICE, DOCTOR, one(HIV));
        vm.expectPartialRevert(IConsentRegistry.InvalidNonce.selector);
        consents.delegateSigned(delegation, by);
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.NotAuthorised.selector, ALICE, stranger));
        consents.revokeDelegation(ALICE, DOCTOR, one(GENERAL));
    }

    function test_aDelegateRevokesWithinItsBoundsAndNothingIsReplayed() public {
        IConsentRegistry.Grant memory consent = grantOf(ALICE, B);
        bytes memory by = signed(consent, ALICE_KEY);
        consents.grantSigned(consent, by);
        uint64 nonce = consents.revocationNonce(ALICE);
        vm.prank(doctor);
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.BeyondDelegation.selector, ALICE, DOCTOR, HIV));
        consents.revokeAsDelegate(DOCTOR, ALICE, B, one(HIV), CAN_READ);
        vm.prank(doctor);
        vm.expectPartialRevert(IConsentRegistry.BeyondDelegation.selector);
        consents.revokeAsDelegate(DOCTOR, ALICE, B, one(GENERAL), CAN_CREATE);
        vm.prank(stranger);
        vm.expectPartialRevert(IConsentRegistry.NotAuthorised.selector);
        consents.revokeAsDelegate(DOCTOR, ALICE, B, one(GENERAL), CAN_READ);
        vm.prank(doctor);
        consents.revokeAsDelegate(DOCTOR, ALICE, B, one(GENERAL), CAN_READ);
        assertFalse(mayRead(ALICE, B), "revoked");
        assertEq(consents.revocationNonce(ALICE), nonce, "the patient's signatures are not the delegate's to void");
        vm.expectPartialRevert(IConsentRegistry.InvalidNonce.selector);
        consents.grantSigned(consent, by);
    }

    function test_whatThePatientSignedBeforeADelegateRevokedIsVoidForThatWord() public {
        IConsentRegistry.Grant memory consent = grantOf(ALICE, B);
        bytes memory by = signed(consent, ALICE_KEY);
        IConsentRegistry.Grant memory other = grantOf(ALICE, A);
        bytes memory otherBy = signed(other, ALICE_KEY);
        vm.warp(NOW + 5);
        vm.prank(doctor);
        consents.revokeAsDelegate(DOCTOR, ALICE, B, one(GENERAL), CAN_READ);
        vm.expectPartialRevert(IConsentRegistry.InvalidNonce.selector);
        consents.grantSigned(consent, by);
        consents.grantSigned(other, otherBy);
        assertTrue(mayRead(ALICE, A), "another word");
    }

    /// @dev Serials may lie ahead of the clock. What has ended leaves the highest behind.
    function test_whatWasSignedAheadOfTheClockIsVoidWithWhatEnded() public {
        IConsentRegistry.Delegation memory first = boundsOf(ALICE, one(HIV));
        first.nonce += 50;
        bytes memory by = signature(TypedData.hash(first), ALICE_KEY);
        IConsentRegistry.Delegation memory second = boundsOf(ALICE, one(HIV));
        second.nonce += 100;
        consents.delegateSigned(second, signature(TypedData.hash(second), ALICE_KEY));
        vm.prank(doctor);
        consents.revokeDelegation(ALICE, DOCTOR, one(HIV));
        assertEq(consents.delegationOf(ALICE, DOCTOR, HIV).serial, NOW + 100, "left behind");
        vm.expectPartialRevert(IConsentRegistry.InvalidNonce.selector);
        consents.delegateSigned(first, by);

        IConsentRegistry.Grant memory consent = grantOf(ALICE, B);
        consent.nonce += 50;
        by = signed(consent, ALICE_KEY);
        IConsentRegistry.Grant memory later = grantOf(ALICE, B);
        later.nonce += 100;
        consents.grantSigned(later, signed(later, ALICE_KEY));
        vm.prank(doctor);
        consents.revokeAsDelegate(DOCTOR, ALICE, B, one(GENERAL), CAN_READ);
        assertEq(consents.consentOf(ALICE, B, GENERAL, READ).serial, NOW + 100, "left behind");
        vm.expectPartialRevert(IConsentRegistry.InvalidNonce.selector);
        consents.grantSigned(consent, by);
    }

    function test_aSuspendedDelegateMayStillResign() public {
        vm.prank(b);
        identity.setStatus(DOCTOR, IIdentityRegistry.Status.Suspended);
        vm.prank(doctor);
        consents.revokeDelegation(ALICE, DOCTOR, one(GENERAL));
        assertEq(consents.delegationOf(ALICE, DOCTOR, GENERAL).to, 0, "resigned");
        assertEq(consents.delegationOf(ALICE, DOCTOR, GENERAL).serial, NOW, "in the order of time");
    }

    function test_aProxyOrNobodyIsNoDelegate() public {
        IConsentRegistry.Delegation memory delegation = boundsOf(ALICE, one(GENERAL));
        delegation.delegate = keccak256("unknown");
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.NotADelegate.selector, delegation.delegate));
        consents.delegate(delegation);
        delegation.delegate = keccak256("ursula");
        vm.prank(admin);
        identity.registerProxy(registration(delegation.delegate, stranger), B);
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.NotADelegate.selector, delegation.delegate));
        consents.delegate(delegation);
    }

    function test_whatADelegateSignedEndsWithItsDeadlineAndTheNextRevocation() public {
        IConsentRegistry.Grant memory consent = within();
        bytes memory by = signature(TypedData.hash(DOCTOR, consent), DOCTOR_KEY);
        vm.warp(consent.deadline + 1);
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.SignatureExpired.selector, consent.deadline));
        consents.grantAsDelegateSigned(DOCTOR, consent, by);
        vm.warp(NOW);
        vm.prank(alice);
        consents.revoke(ALICE, B, one(GENERAL), CAN_READ);
        vm.expectPartialRevert(IConsentRegistry.InvalidNonce.selector);
        consents.grantAsDelegateSigned(DOCTOR, consent, by);
        // A delegate that resigns leaves the patient's signatures alone.
        uint64 nonce = consents.revocationNonce(ALICE);
        vm.prank(doctor);
        consents.revokeDelegation(ALICE, DOCTOR, one(GENERAL));
        assertEq(consents.revocationNonce(ALICE), nonce, "not the delegate's to void");
    }

    function delegates(address sender, IConsentRegistry.Delegation memory delegation) private {
        vm.prank(sender);
        consents.delegate(delegation);
    }

    function boundsOf(bytes32 patient, bytes32[] memory labels)
        private
        view
        returns (IConsentRegistry.Delegation memory)
    {
        return IConsentRegistry.Delegation({
            patient: patient,
            delegate: DOCTOR,
            labels: labels,
            actions: CAN_READ | CAN_UPDATE,
            purposes: TREAT,
            categories: 3,
            from: NOW,
            to: END,
            nonce: consents.grantNonce(patient),
            deadline: END
        });
    }

    function within() private view returns (IConsentRegistry.Grant memory consent) {
        consent = grantOf(ALICE, B);
        consent.categories = 3;
        consent.to = END;
    }
}
